// What a check is given: clients, names nobody else uses, and makers whose work is undone when the check ends.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import openwhisk from 'openwhisk'

const LOOK_EVERY = 50
// A real OpenWhisk stores records behind the answer's back, and is slow to start its first container.
const LOOK_FOR = 30_000
// Rules refer to triggers and actions, and a package must be empty: the order things have to go in.
const ORDER = ['rules', 'triggers', 'actions', 'packages']

export const ECHO = 'def main(args):\n    return args\n'
export const GREET = 'def main(args):\n    print("greeting")\n    return {"greeting": "Hello " + args.get("name", "stranger")}\n'
export const REFUSE = 'def main(args):\n    return {"error": {"code": "refused", "said": args.get("said")}, "dropped": 1}\n'
export const RAISE = 'def main(args):\n    raise ValueError("no such thing")\n'
// Answers what it was asked, which is all that a feed's caller can see of it.
export const FEED = `def main(args):
    if args.get("bucket") == "refused":
        return {"error": "no such bucket"}
    return {"heard": {key: value for key, value in args.items() if key != "authKey"}, "key": "authKey" in args}
`

export class Bench {
  #setting
  #made = []
  #prefix = `contract-${randomBytes(4).toString('hex')}`

  constructor (setting) {
    this.#setting = setting
    this.namespace = setting.namespace
    this.about = setting.about
    this.ow = this.client()
  }

  client (options = {}) {
    const { apihost, key } = this.#setting
    return openwhisk({ apihost, api_key: key, ...options })
  }

  get key () {
    return this.#setting.key
  }

  /** A name in the default package that is this check's own. */
  name (base) {
    return `${this.#prefix}-${base}`
  }

  /** Remember what the check creates by itself, so that it goes too. */
  owns (collection, name) {
    this.#made.push([collection, name])
    return name
  }

  async action (base, code = ECHO, options = {}) {
    const name = this.owns('actions', options.package ? `${options.package}/${base}` : this.name(base))
    const made = await this.ow.actions.create({ kind: 'python:default', ...options, name, action: code })
    return { name, made }
  }

  async package (base, body = {}) {
    const name = this.owns('packages', this.name(base))
    const made = await this.ow.packages.create({ name, package: body })
    return { name, made }
  }

  async trigger (base, body = {}, options = {}) {
    const name = this.owns('triggers', this.name(base))
    const made = await this.ow.triggers.create({ ...options, name, trigger: body })
    return { name, made }
  }

  /** A trigger, an action and the rule between them. */
  async rule (base, code = ECHO) {
    const [trigger, action] = await Promise.all([this.trigger(`${base}-trigger`), this.action(`${base}-action`, code)])
    const name = this.owns('rules', this.name(base))
    const made = await this.ow.rules.create({ name, trigger: trigger.name, action: action.name })
    return { name, made, trigger: trigger.name, action: action.name }
  }

  /** The record of an activation, once it is stored. */
  async record (id) {
    return await eventually(() => this.ow.activations.get(id).catch(unlessMissing), `activation ${id}`)
  }

  async clean () {
    const last = this.#made.reverse().sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
    for (const [collection, name] of last) {
      await this.ow[collection].delete(name).catch(() => {})
    }
  }
}

/** Lists are ordered by times in whole milliseconds: let the next one differ from the last. */
export async function apart () {
  await pause(2)
}

export function unlessMissing (error) {
  if (error.statusCode !== 404) throw error
}

/** Look until there is something to see, or fail saying what never came. */
export async function eventually (look, what) {
  const deadline = Date.now() + LOOK_FOR
  for (;;) {
    const seen = await look()
    if (seen) return seen
    assert.ok(Date.now() < deadline, `${what}: nothing within ${LOOK_FOR} ms`)
    await pause(LOOK_EVERY)
  }
}

/** That `call` is refused with `status`, in words like `words`, in the shape clients rely on; gives the error. */
export async function refused (call, status, words = /./) {
  const error = await call.then(answer => assert.fail(`accepted: ${JSON.stringify(answer)}`), refusal => refusal)
  if (error instanceof assert.AssertionError) throw error
  assert.equal(error.statusCode, status, `${error.message}`)
  assert.equal(typeof error.error.error, 'string', JSON.stringify(error.error))
  assert.match(error.error.error, words)
  assert.ok(error.error.code, 'an error body names its transaction as "code"')
  return error
}

/** The value under `key` in a list of `{key, value}`. */
export function valueOf (pairs, key) {
  return pairs.find(pair => pair.key === key)?.value
}

/** That `whole` has everything `part` has, at any depth. */
export function includes (whole, part) {
  for (const [key, value] of Object.entries(part)) {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) includes(whole?.[key] ?? {}, value)
    else assert.deepEqual(whole?.[key], value, `${key} of ${JSON.stringify(whole)}`)
  }
}

export function isId (text) {
  assert.match(text, /^[0-9a-f]{32}$/)
}
