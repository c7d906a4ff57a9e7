import assert from 'node:assert/strict'
import { ECHO, refused } from '../bench.mjs'

const MIB = 1024 * 1024

export const checks = {
  'what is missing is a 404 that says so': async bench => {
    for (const collection of ['actions', 'packages', 'triggers', 'rules']) {
      const error = await refused(bench.ow[collection].get(bench.name('nothing')), 404, /The requested resource .*does not exist\./)
      assert.match(error.message, /Returned HTTP 404 \(Not Found\) --> "The requested resource .*does not exist\."/)
    }
    await refused(bench.ow.actions.invoke({ name: bench.name('nothing') }), 404)
  },

  'a wrong key is a 401': async bench => {
    const uuid = bench.key.split(':')[0]
    for (const key of [`${uuid}:wrong`, '00000000-0000-0000-0000-000000000000:nobody', 'nonsense']) {
      await refused(bench.client({ api_key: key }).actions.list(), 401)
    }
  },

  'a payload above 1 MiB is a 413': async bench => {
    const { name } = await bench.action('large')
    const { name: trigger } = await bench.trigger('large-event')
    const params = { filler: 'x'.repeat(MIB) }
    await refused(bench.ow.actions.invoke({ name, params }), 413, /larger than allowed: \d+ > 1048576 bytes/)
    await refused(bench.ow.triggers.invoke({ name: trigger, params }), 413, /larger than allowed/)
  },

  'bound parameters above 1 MiB are a 413': async bench => {
    const call = bench.ow.actions.create({ name: bench.name('heavy'), action: ECHO, kind: 'python:default', params: { filler: 'x'.repeat(MIB) } })
    await refused(call, 413)
  },

  'a payload just below 1 MiB arrives whole': async bench => {
    const { name } = await bench.action('measured', 'def main(args):\n    return {"length": len(args["filler"])}\n')
    const length = MIB - 100
    const result = await bench.ow.actions.invoke({ name, blocking: true, result: true, params: { filler: 'x'.repeat(length) } })
    assert.deepEqual(result, { length })
  },

  'a result above 1 MiB is an error, cut short': async bench => {
    const { name } = await bench.action('verbose', 'def main(args):\n    return {"filler": "x" * 1048577}\n')
    const error = await bench.ow.actions.invoke({ name, blocking: true }).then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    assert.match(error.error.response.result.error, /exceeded the allowed length: \d+ > 1048576 bytes/)
  },

  'a name with a slash too many, or nothing legal in it, is refused': async bench => {
    await refused(bench.ow.actions.create({ name: '!bad!', action: ECHO, kind: 'python:default' }), 400)
    await refused(bench.ow.triggers.create({ name: ' leading' }), 400)
  },

  'a body that is no object is refused': async bench => {
    const { name } = await bench.action('fed')
    await refused(bench.ow.actions.operationWithId('POST', { name, body: [1, 2] }), 400)
    await refused(bench.ow.actions.create({ name: bench.name('half'), action: {} }), 400)
  }
}
