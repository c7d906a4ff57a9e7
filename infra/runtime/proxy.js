/**
 * The action container's side of OpenWhisk's contract for Node: `POST /init` once, then `POST /run` again and again.
 *
 * One file, no packages. The action is loaded into this very process. The counterpart of `proxy/`, which says more:
 *
 *     node proxy.js [--listen HOST:PORT | unix:PATH | fd:NUMBER | connection:NUMBER]
 *
 * An action is plain CommonJS code (a function by the name of `main`, or `exports.main`) or a zip with a `package.json`
 * or an `index.js`. A rejected promise is an application error; a `throw` outside of one is a developer error, as in
 * OpenWhisk's own Node runtime.
 */

"use strict";

const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const Module = require("module");
const net = require("net");
const os = require("os");
const path = require("path");
const vm = require("vm");
const zlib = require("zlib");

const SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";

const LIMIT_HEAD = 16 << 10;
// OpenWhisk allows 48 MB of code as sent; JSON escapes make plain code longer.
const LIMIT_INIT = 72 << 20;
// OpenWhisk allows 1 MiB of arguments; a sender that escapes everything beyond ASCII makes up to three of it.
const LIMIT_RUN = 4 << 20;
const LIMIT_ENTRIES = 20000;
const LIMIT_EXTRACTED = 512 << 20;
const TIMEOUT_REQUEST = 30000;

/** A request that ends in `{"error": message}` under an HTTP status. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The action's archive is damaged, hostile or larger than allowed. */
class BadArchive extends Error {}

// --- archives: bytes → files in a directory

/** Write the zip's files below `directory`. Nothing is written anywhere else, nor beyond the limits. */
function extract(archive, directory) {
  let total = 0;
  let count = 0;
  try {
    for (const entry of zipEntries(archive)) {
      total += entry.size;
      count += 1;
      if (count > LIMIT_ENTRIES || total > LIMIT_EXTRACTED) {
        throw new BadArchive(`more than ${LIMIT_ENTRIES} files or ${LIMIT_EXTRACTED >> 20} MiB`);
      }
      writeEntry(entry, archive, directory);
    }
  } catch (failure) {
    throw failure instanceof BadArchive ? failure : new BadArchive(`the zip is damaged (${failure.code})`);
  }
}

function* zipEntries(archive) {
  const end = archive.lastIndexOf("PK\x05\x06");
  if (end < 0 || end + 22 > archive.length) throw new BadArchive("the zip's directory is missing");
  const count = archive.readUInt16LE(end + 10);
  let start = archive.readUInt32LE(end + 16);
  for (let each = 0; each < count; each += 1) {
    const entry = zipEntry(archive, start);
    start = entry.next;
    yield entry;
  }
}

function zipEntry(archive, start) {
  if (archive.readUInt32LE(start) !== 0x02014b50) throw new BadArchive("the zip's directory is damaged");
  const named = archive.readUInt16LE(start + 28);
  const unix = [3, 19].includes(archive.readUInt8(start + 5));
  const entry = {
    name: archive.toString("utf8", start + 46, start + 46 + named),
    method: archive.readUInt16LE(start + 10),
    crc: archive.readUInt32LE(start + 16),
    packed: archive.readUInt32LE(start + 20),
    size: archive.readUInt32LE(start + 24),
    mode: unix ? archive.readUInt16LE(start + 40) : 0,
    offset: archive.readUInt32LE(start + 42),
    next: start + 46 + named + archive.readUInt16LE(start + 30) + archive.readUInt16LE(start + 32),
  };
  const encrypted = archive.readUInt16LE(start + 8) & 1;
  if ((entry.mode & 0o170000) === 0o120000 || encrypted || ![0, 8].includes(entry.method)) {
    throw new BadArchive(`${JSON.stringify(entry.name)}: links, encryption and methods but deflate are refused`);
  }
  return entry;
}

function writeEntry(entry, archive, directory) {
  if (/^\/|\\|\0|(^|\/)\.\.(\/|$)/.test(entry.name)) {
    throw new BadArchive(`${JSON.stringify(entry.name)} leads out of the archive`);
  }
  const target = path.join(directory, entry.name);
  if (entry.name.endsWith("/")) {
    fs.mkdirSync(target, { recursive: true, mode: 0o700 });
    return;
  }
  fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
  fs.writeFileSync(target, unpack(entry, archive), { mode: entry.mode & 0o111 ? 0o700 : 0o600 });
}

/** One member's bytes; never unpacks more than it says, whatever it holds. */
function unpack(entry, archive) {
  const start = entry.offset + 30 + archive.readUInt16LE(entry.offset + 26) + archive.readUInt16LE(entry.offset + 28);
  const data = archive.subarray(start, start + entry.packed);
  const content = entry.method === 0 ? data : zlib.inflateRawSync(data, { maxOutputLength: entry.size + 1 });
  if (content.length !== entry.size || crc32(content) !== entry.crc) {
    throw new BadArchive(`${JSON.stringify(entry.name)} is damaged`);
  }
  return content;
}

// zlib.crc32 came with Node 22.
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, each) => {
  let value = each;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes);
  let value = -1;
  for (let each = 0; each < bytes.length; each += 1) value = CRC_TABLE[(value ^ bytes[each]) & 255] ^ (value >>> 8);
  return (value ^ -1) >>> 0;
}

// --- the action: what /init makes and /run calls

/** At most one action, from `/init` on. Its directory is the working directory. */
class Action {
  constructor() {
    this.call = null;
    this.context = [];
  }

  init(body) {
    if (this.call) throw new Refused(403, "Cannot initialize the action more than once.");
    const value = parseObject(body).value;
    if (!isObject(value)) throw new Refused(400, "Error unmarshaling request: value is not an object.");
    const code = decoded(value);
    const environment = checkedEnvironment(value.env === undefined || value.env === null ? {} : value.env);
    this.load(code, String(value.main || "main"), environment);
    return [200, '{"ok":true}'];
  }

  load(code, main, environment) {
    const saved = { environment: { ...process.env }, working: process.cwd() };
    const directory = newDirectory();
    try {
      Object.assign(process.env, environment);
      process.chdir(directory);
      this.call = code.subarray(0, 2).toString() === "PK" ? fromZip(code, directory, main) : fromText(code, directory, main);
    } catch (failure) {
      undo(directory, saved);
      throw failure;
    }
  }

  async run(body) {
    const request = parseObject(body);
    if (!this.call) throw new Refused(500, "no action defined yet");
    this.setContext(request);
    const value = request.value === undefined ? {} : request.value;
    return encoded(await settled(this.call, value));
  }

  setContext(request) {
    const named = Object.entries(request).filter(([key, value]) => /^\w+$/.test(key) && key !== "value" && value !== null);
    // A caller's key must not outlive its own call.
    for (const name of this.context) delete process.env[name];
    this.context = named.map(([key]) => `__OW_${key.toUpperCase()}`);
    for (const [key, value] of named) process.env[`__OW_${key.toUpperCase()}`] = asText(value).replace(/\0/g, "");
  }
}

/** The result, or the error of a rejected promise. Throws `Refused` for what was thrown outside of one. */
async function settled(call, value) {
  let promise;
  try {
    promise = call(value);
  } catch (failure) {
    console.error(failure);
    throw new Refused(502, `An error has occurred: ${failure}`);
  }
  try {
    const result = await promise;
    return result === undefined ? {} : result;
  } catch (failure) {
    console.error(failure);
    return { error: described(failure) };
  }
}

function described(failure) {
  if (failure instanceof Error) return { name: failure.name, message: failure.message, ...failure };
  return failure === undefined || failure === null ? {} : failure;
}

function encoded(result) {
  const nothing = "The action did not return a dictionary or array.";
  if (typeof result !== "object" || result === null) throw new Refused(502, nothing);
  try {
    return [200, JSON.stringify(result)];
  } catch (failure) {
    throw new Refused(502, `${nothing} Its result is no JSON: ${failure.message}`);
  }
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(body) {
  let parsed;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch (failure) {
    throw new Refused(400, `Error unmarshaling request: ${failure.message}`);
  }
  if (!isObject(parsed)) throw new Refused(400, "Error unmarshaling request: not an object.");
  return parsed;
}

function decoded(value) {
  if (typeof value.code !== "string" || !value.code.trim()) {
    throw new Refused(403, "Missing main/no code to execute.");
  }
  if (!value.binary) return Buffer.from(value.code);
  const text = value.code.trim();
  if (text.length % 4 || /[^A-Za-z0-9+/]/.test(text.replace(/={1,2}$/, ""))) {
    throw new Refused(400, "cannot decode the request: not base64");
  }
  return Buffer.from(text, "base64");
}

function checkedEnvironment(environment) {
  if (!isObject(environment)) throw new Refused(400, "Error unmarshaling request: env is not an object.");
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      const text = asText(value);
      if (!name || /[=\0]/.test(name) || text.includes("\0")) {
        throw new Refused(400, "Error unmarshaling request: env holds a name or value that cannot be set.");
      }
      return [name, text];
    }),
  );
}

/** OpenWhisk sends text only; other senders mean what they would see in JSON. */
function asText(value) {
  if (typeof value === "string") return value;
  return value === null || value === undefined ? "" : JSON.stringify(value);
}

function newDirectory() {
  const base = fs.realpathSync(process.env.TMPDIR || os.tmpdir());
  const directory = path.join(base, `action-${process.pid}-${crypto.randomBytes(6).toString("hex")}`);
  fs.mkdirSync(directory, { mode: 0o700 });
  return directory;
}

function fromZip(code, directory, main) {
  try {
    extract(code, directory);
  } catch (failure) {
    console.error(`The action's archive was refused: ${failure.message}`);
    throw new Refused(400, `The action's archive was refused: ${failure.message}`);
  }
  if (!["package.json", "index.js"].some((name) => fs.existsSync(path.join(directory, name)))) {
    throw notFound(new Error("Zipped actions must contain either package.json or index.js at the root."));
  }
  return started(() => named(require(directory), main));
}

/** Plain code as a module, whose exports become the function: `main` need not be exported. */
function fromText(code, directory, main) {
  const file = path.join(directory, "index.js");
  const text = code.toString("utf8");
  fs.writeFileSync(file, text, { mode: 0o600 });
  try {
    new vm.Script(Module.wrap(text), { filename: file });
  } catch (failure) {
    throw notFound(failure);
  }
  return started(() => {
    const module = new Module(file, null);
    module.filename = file;
    module.paths = Module._nodeModulePaths(directory);
    const root = /^[\p{L}_$][\p{L}\p{N}_$]*/u.exec(main);
    const exported = root ? `\n;if (typeof ${root[0]} !== "undefined") module.exports.${root[0]} = ${root[0]};` : "";
    module._compile(text + exported, file);
    return named(module.exports, main);
  });
}

function named(exported, main) {
  const found = main.split(".").reduce((from, name) => (from === undefined || from === null ? from : from[name]), exported);
  if (typeof found === "function") return found;
  if (main === "main" && typeof exported === "function") return exported;
  throw new TypeError(`'${main}' is not a function.`);
}

function started(start) {
  try {
    return start();
  } catch (failure) {
    console.error(failure);
    throw new Refused(502, "Cannot start action. Check logs for details.");
  }
}

function notFound(failure) {
  console.error(failure);
  return new Refused(502, "The action failed to generate or locate a binary. See logs for details.");
}

/** After a failed `/init`: leave nothing of it behind, so that a better one may follow. */
function undo(directory, saved) {
  process.chdir(saved.working);
  for (const name of Object.keys(process.env)) if (!(name in saved.environment)) delete process.env[name];
  Object.assign(process.env, saved.environment);
  for (const name of Object.keys(require.cache)) if (name.startsWith(directory)) delete require.cache[name];
  fs.rmSync(directory, { recursive: true, force: true });
}

// --- logs

// As they were at start: an action may replace its own.
const streams = [process.stdout, process.stderr];
const writers = streams.map((stream) => stream.write.bind(stream));

/** Mark the end of a call on both streams. Writes to pipes and files are synchronous, so nothing is pending. */
function endLogs() {
  for (const write of writers) write(SENTINEL);
}

// --- HTTP

function readBody(request) {
  const limit = request.url === "/init" ? LIMIT_INIT : LIMIT_RUN;
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    request.on("data", (chunk) => {
      size += chunk.length;
      if (size > limit) reject(new Refused(413, `The request's body is larger than ${limit} bytes.`));
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
  });
}

async function route(action, request) {
  if (request.url === "/" && request.method === "GET") return [200, '{"ok":true}'];
  if (!["/init", "/run"].includes(request.url)) throw new Refused(404, "Only /init and /run are here.");
  if (request.method !== "POST") throw new Refused(405, "Only POST is allowed.");
  const body = await readBody(request);
  if (request.url === "/run") return action.run(body).finally(endLogs);
  try {
    return action.init(body);
  } catch (failure) {
    endLogs();
    throw failure;
  }
}

async function answer(action, request, response) {
  let status, body;
  try {
    [status, body] = await route(action, request);
  } catch (failure) {
    if (!(failure instanceof Refused)) console.error(failure);
    const message = failure instanceof Refused ? failure.message : "The proxy failed. See logs for details.";
    [status, body] = [failure.status || 500, JSON.stringify({ error: message })];
  }
  const head = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
  response.writeHead(status, status === 413 ? { ...head, Connection: "close" } : head);
  response.end(body);
}

// --- the program

function listen(server, address) {
  const [kind, rest] = [address.slice(0, address.indexOf(":")), address.slice(address.indexOf(":") + 1)];
  if (kind === "connection") {
    // The one connection there will be.
    const socket = new net.Socket({ fd: Number(rest), readable: true, writable: true });
    socket.on("close", () => process.exit(0));
    server.emit("connection", socket);
  } else if (kind === "fd") {
    server.listen({ fd: Number(rest) });
  } else if (kind === "unix") {
    server.listen(rest);
  } else {
    const port = address.lastIndexOf(":");
    server.listen(Number(address.slice(port + 1)), address.slice(0, port).replace(/[[\]]/g, ""));
  }
}

function main(given) {
  for (const name of ["SIGTERM", "SIGINT"]) process.on(name, () => process.exit(0));
  // Nobody may be reading the logs: that is not the action's fault.
  for (const stream of streams) stream.on("error", () => {});
  if (given.length && (given.length !== 2 || given[0] !== "--listen")) {
    console.error("proxy.js: use --listen HOST:PORT | unix:PATH | fd:NUMBER | connection:NUMBER");
    process.exit(1);
  }
  const action = new Action();
  const server = http.createServer(
    { maxHeaderSize: LIMIT_HEAD, headersTimeout: TIMEOUT_REQUEST, requestTimeout: TIMEOUT_REQUEST, keepAliveTimeout: 0 },
    (request, response) => answer(action, request, response),
  );
  listen(server, given[1] || process.env.PIXWHISK_LISTEN || "0.0.0.0:8080");
}

main(process.argv.slice(2));
