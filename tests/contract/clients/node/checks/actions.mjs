import assert from 'node:assert/strict'
import { ECHO, GREET, RAISE, REFUSE, apart, includes, isId, refused, valueOf } from '../bench.mjs'
import { zip } from '../zip.mjs'

export const checks = {
  'create answers the whole action': async bench => {
    const { name, made } = await bench.action('hello', GREET, { params: { name: 'you' }, annotations: { description: 'greets' } })
    includes(made, { namespace: bench.namespace, name, version: '0.0.1', publish: false, exec: { code: GREET, binary: false } })
    assert.match(made.exec.kind, /^python:/)
    assert.deepEqual(made.parameters, [{ key: 'name', value: 'you' }])
    assert.equal(valueOf(made.annotations, 'description'), 'greets')
    assert.equal(valueOf(made.annotations, 'exec'), made.exec.kind)
    assert.equal(valueOf(made.annotations, 'provide-api-key'), false)
    includes(made, { limits: { timeout: 60000, memory: 256, logs: 10, concurrency: 1 } })
    assert.ok(Number.isInteger(made.updated) && Math.abs(Date.now() - made.updated) < 300_000)
  },

  'create refuses a name in use, and update does not': async bench => {
    const { name } = await bench.action('twice')
    await refused(bench.ow.actions.create({ name, action: ECHO, kind: 'python:default' }), 409, /already exists/)
    const updated = await bench.ow.actions.update({ name, action: GREET, kind: 'python:default' })
    includes(updated, { version: '0.0.2', exec: { code: GREET } })
  },

  'update merges annotations, replaces parameters and keeps the rest': async bench => {
    const { name } = await bench.action('merged', GREET, {
      params: { a: 1, b: 2 }, annotations: { first: 1, second: 2 }, limits: { timeout: 30_000, memory: 128 }
    })
    const updated = await bench.ow.actions.update({ name, params: { c: 3 }, annotations: { second: 'two' }, limits: { memory: 512 } })
    assert.deepEqual(updated.parameters, [{ key: 'c', value: 3 }])
    assert.equal(valueOf(updated.annotations, 'first'), 1)
    assert.equal(valueOf(updated.annotations, 'second'), 'two')
    includes(updated, { exec: { code: GREET }, limits: { timeout: 30_000, memory: 512 } })
    assert.deepEqual((await bench.ow.actions.get(name)).parameters, [{ key: 'c', value: 3 }])
  },

  'update creates what is not there': async bench => {
    const name = bench.owns('actions', bench.name('fresh'))
    includes(await bench.ow.actions.update({ name, action: ECHO, kind: 'python:default' }), { name, version: '0.0.1' })
  },

  'create takes a version': async bench => {
    const { made } = await bench.action('versioned', ECHO, { version: '1.2.3' })
    assert.equal(made.version, '1.2.3')
  },

  'get answers the code, or leaves it out': async bench => {
    const { name } = await bench.action('coded', GREET)
    const whole = await bench.ow.actions.get(name)
    const lean = await bench.ow.actions.get({ name, code: false })
    assert.equal(whole.exec.code, GREET)
    assert.equal('code' in lean.exec, false)
    assert.equal(lean.exec.kind, whole.exec.kind)
  },

  'get takes qualified names and several at once': async bench => {
    const { name } = await bench.action('named')
    const forms = [name, `/_/${name}`, `/${bench.namespace}/${name}`]
    for (const action of await bench.ow.actions.get(forms)) includes(action, { name, namespace: bench.namespace })
  },

  'list pages, newest first': async bench => {
    const names = []
    for (const base of ['one', 'two', 'three']) {
      names.unshift((await bench.action(base)).name)
      await apart()
    }
    const listed = await bench.ow.actions.list({ limit: 3 })
    assert.deepEqual(listed.map(action => action.name), names)
    const [second] = await bench.ow.actions.list({ limit: 1, skip: 1 })
    assert.equal(second.name, names[1])
    assert.equal('code' in second.exec, false)
    includes(second, { namespace: bench.namespace, version: '0.0.1', publish: false, exec: { binary: false } })
    for (const field of ['annotations', 'limits', 'updated']) assert.ok(field in second, field)
  },

  'list counts': async bench => {
    await bench.action('counted')
    const { actions } = await bench.ow.actions.list({ count: true })
    assert.ok(actions >= 1)
  },

  'list takes no limit above 200': async bench => {
    assert.ok(Array.isArray(await bench.ow.actions.list({ limit: 200 })))
    await refused(bench.ow.actions.list({ limit: 201 }), 400)
  },

  'delete answers the action, once': async bench => {
    const { name } = await bench.action('gone')
    includes(await bench.ow.actions.delete(name), { name })
    await refused(bench.ow.actions.get(name), 404, /does not exist/)
    await refused(bench.ow.actions.delete(name), 404, /does not exist/)
  },

  'invoke without waiting answers an id': async bench => {
    const { name } = await bench.action('later', GREET)
    const { activationId } = await bench.ow.actions.invoke({ name, params: { name: 'later' } })
    isId(activationId)
    includes(await bench.record(activationId), { response: { result: { greeting: 'Hello later' } } })
  },

  'invoke by name alone sends no body': async bench => {
    const { name } = await bench.action('bare', GREET)
    const { activationId } = await bench.ow.actions.invoke(name)
    includes(await bench.record(activationId), { response: { result: { greeting: 'Hello stranger' } } })
  },

  'invoke and wait answers the record': async bench => {
    const { name } = await bench.action('waited', GREET)
    const record = await bench.ow.actions.invoke({ name, blocking: true, params: { name: 'now' } })
    isId(record.activationId)
    includes(record, {
      name, namespace: bench.namespace, version: '0.0.1', publish: false,
      response: { status: 'success', success: true, result: { greeting: 'Hello now' } }
    })
    assert.ok(record.end >= record.start && record.duration >= 0)
    assert.equal(valueOf(record.annotations, 'path'), `${bench.namespace}/${name}`)
    assert.equal(valueOf(record.annotations, 'kind'), (await bench.ow.actions.get(name)).exec.kind)
    assert.equal(valueOf(record.annotations, 'timeout'), false)
    includes(valueOf(record.annotations, 'limits'), { timeout: 60000, memory: 256, logs: 10 })
  },

  'invoke for the result answers that alone': async bench => {
    const { name } = await bench.action('result', GREET, { params: { name: 'bound' } })
    const greeting = options => bench.ow.actions.invoke({ name, blocking: true, result: true, ...options })
    assert.deepEqual(await greeting(), { greeting: 'Hello bound' })
    assert.deepEqual(await greeting({ params: { name: 'passed' } }), { greeting: 'Hello passed' })
  },

  'invoke several at once': async bench => {
    const { name } = await bench.action('several')
    const call = at => ({ name, blocking: true, result: true, params: { at } })
    const results = await Promise.all([1, 2, 3].map(at => bench.ow.actions.invoke(call(at))))
    assert.deepEqual(results.map(result => result.at), [1, 2, 3])
  },

  'any JSON goes in and out unchanged': async bench => {
    const { name } = await bench.action('echoed')
    const params = { text: 'Grüße 🐼 "\\\u0000', number: 1.5, big: 9007199254740991, none: null, list: [1, [], {}], nested: { a: { b: false } } }
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true, params }), params)
  },

  'an error the action answers is a 502 with the record': async bench => {
    const { name } = await bench.action('refusing', REFUSE)
    const invoked = bench.ow.actions.invoke({ name, blocking: true, params: { said: 'no' } })
    const error = await invoked.then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    includes(error.error.response, { status: 'application error', success: false })
    assert.deepEqual(error.error.response.result, { error: { code: 'refused', said: 'no' } })
    isId(error.error.activationId)
  },

  'an exception is an error with its words': async bench => {
    const { name } = await bench.action('raising', RAISE)
    const error = await bench.ow.actions.invoke({ name, blocking: true }).then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    assert.match(error.message, /no such thing/)
  },

  'code that does not start is the developer’s error': async bench => {
    const { name } = await bench.action('broken', 'def main(args:\n')
    const error = await bench.ow.actions.invoke({ name, blocking: true }).then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    includes(error.error.response, { status: 'action developer error', success: false })
  },

  'a zip is code too': async bench => {
    const archive = zip({
      '__main__.py': 'from parts.greeting import say\n\ndef main(args):\n    return {"said": say(args.get("name"))}\n',
      'parts/__init__.py': '',
      'parts/greeting.py': 'def say(name):\n    return "Hello " + name\n'
    })
    const { name, made } = await bench.action('zipped', archive)
    includes(made, { exec: { binary: true, code: archive.toString('base64') } })
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true, params: { name: 'zip' } }), { said: 'Hello zip' })
  },

  'main may have another name': async bench => {
    const exec = { kind: 'python:default', main: 'start', code: 'def start(args):\n    return {"started": True}\n' }
    const { name, made } = await bench.action('started', { exec })
    includes(made, { exec: { main: 'start' } })
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true }), { started: true })
  },

  'Node is a kind where the host has it': async bench => {
    if (!bench.about.runtimes?.nodejs) return 'this host has no nodejs'
    const { name, made } = await bench.action('noded', 'function main (args) { return { doubled: args.number * 2 } }', { kind: 'nodejs:default' })
    assert.match(made.exec.kind, /^nodejs:\d+$/)
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true, params: { number: 21 } }), { doubled: 42 })
  },

  'Node takes promises, and zips with a package.json': async bench => {
    if (!bench.about.runtimes?.nodejs) return 'this host has no nodejs'
    const archive = zip({
      'package.json': '{"name": "late", "main": "lib/late.js"}',
      'lib/late.js': 'exports.main = args => new Promise(resolve => setTimeout(resolve, 1, { late: args.name }))\n'
    })
    const { name } = await bench.action('late', archive, { kind: 'nodejs:default' })
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true, params: { name: 'x' } }), { late: 'x' })
  },

  'a kind nobody knows is refused with those there are': async bench => {
    const call = bench.ow.actions.create({ name: bench.name('cobol'), action: 'x', kind: 'cobol:1959' })
    await refused(call, 400, /The specified runtime 'cobol:1959' is not supported by this platform\. Valid values are: .*'python:/)
  },

  'limits out of bounds are refused with the bound': async bench => {
    const over = limits => bench.ow.actions.create({ name: bench.name('limited'), action: ECHO, kind: 'python:default', limits })
    await refused(over({ memory: 1024 * 1024 }), 400, /memory size 1048576 MB exceeds allowed threshold of \d+ MB/)
    await refused(over({ timeout: 99 }), 400, /99 milliseconds below allowed threshold of 100 milliseconds/)
    await refused(over({ timeout: 86_400_001 }), 400, /86400001 milliseconds exceeds allowed threshold of \d+ milliseconds/)
  },

  'an action over its time is ended': async bench => {
    const { name } = await bench.action('slow', 'import time\n\ndef main(args):\n    time.sleep(30)\n    return {}\n', { limits: { timeout: 500 } })
    const error = await bench.ow.actions.invoke({ name, blocking: true }).then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    includes(error.error.response, { status: 'action developer error' })
    assert.match(error.error.response.result.error, /exceeded its time limits of 500 milliseconds/)
    assert.equal(valueOf(error.error.annotations, 'timeout'), true)
  },

  'init parameters are environment, and only that': async bench => {
    const code = 'import os\n\ndef main(args):\n    return {"environment": os.environ.get("SECRET"), "arguments": sorted(args)}\n'
    const body = { exec: { kind: 'python:default', code }, parameters: [{ key: 'SECRET', value: 's3', init: true }, { key: 'plain', value: 1 }] }
    const { name } = await bench.action('initialised', body)
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true }), { environment: 's3', arguments: ['plain'] })
  },

  'final parameters cannot be overridden': async bench => {
    const { name } = await bench.action('final', ECHO, { params: { fixed: 1 }, annotations: { final: true } })
    const invoke = params => bench.ow.actions.invoke({ name, blocking: true, result: true, params })
    assert.deepEqual(await invoke({ other: 2 }), { fixed: 1, other: 2 })
    await refused(invoke({ fixed: 2 }), 400, /parameters that are not allowed/)
  }
}
