import assert from 'node:assert/strict'
import { GREET, REFUSE, apart, eventually, includes, isId, refused } from '../bench.mjs'

async function invoked (bench, code = GREET, params = {}) {
  const { name } = await bench.action('ran', code)
  const { activationId } = await bench.ow.actions.invoke({ name, params })
  return { name, activationId, record: await bench.record(activationId) }
}

export const checks = {
  'get answers the record': async bench => {
    const { name, activationId, record } = await invoked(bench)
    includes(record, { activationId, name, namespace: bench.namespace, version: '0.0.1', publish: false })
    includes(record, { response: { status: 'success', success: true, result: { greeting: 'Hello stranger' } } })
    assert.ok(record.subject)
    assert.ok(record.start > 1_500_000_000_000 && record.end >= record.start)
  },

  'logs are lines with their time and stream': async bench => {
    const { activationId } = await invoked(bench)
    const { logs } = await eventually(async () => {
      const answer = await bench.ow.activations.logs(activationId)
      return answer.logs.length > 0 && answer
    }, 'logs')
    // The stream is left out by the log store of a standalone OpenWhisk.
    assert.match(logs[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\s+(stdout: )?greeting$/)
  },

  'result is that alone': async bench => {
    const { activationId } = await invoked(bench, GREET, { name: 'result' })
    includes(await bench.ow.activations.result(activationId), {
      status: 'success', success: true, result: { greeting: 'Hello result' }
    })
  },

  'a failed one can be read like any other': async bench => {
    const { activationId, record } = await invoked(bench, REFUSE, { said: 'no' })
    includes(record, { response: { status: 'application error', success: false } })
    includes(await bench.ow.activations.result(activationId), { success: false, result: { error: { said: 'no' } } })
  },

  'list has summaries, by name': async bench => {
    const { name, activationId } = await invoked(bench)
    const [listed] = await eventually(async () => {
      const found = await bench.ow.activations.list({ name })
      return found.length > 0 && found
    }, 'the activation in the list')
    includes(listed, { activationId, name, namespace: bench.namespace, version: '0.0.1', publish: false, statusCode: 0 })
    assert.ok(listed.start && listed.end && Number.isInteger(listed.duration))
    assert.equal('response' in listed, false)
  },

  'list has whole records where asked': async bench => {
    const { name } = await invoked(bench)
    const [whole] = await eventually(async () => {
      const found = await bench.ow.activations.list({ name, docs: true })
      return found.length > 0 && found
    }, 'the activation in the list')
    includes(whole, { response: { result: { greeting: 'Hello stranger' } } })
    assert.ok(Array.isArray(whole.logs))
  },

  'list pages, newest first, between two times': async bench => {
    const { name } = await bench.action('several', GREET)
    const records = []
    for (let call = 0; call < 3; call++) {
      records.unshift(await bench.record((await bench.ow.actions.invoke({ name })).activationId))
      await apart()
    }
    const ids = async options => (await bench.ow.activations.list({ name, ...options })).map(each => each.activationId)
    const [newest, middle, oldest] = records
    await eventually(async () => (await ids({})).length === 3, 'three activations in the list')
    assert.deepEqual(await ids({}), records.map(each => each.activationId))
    assert.deepEqual(await ids({ limit: 1, skip: 1 }), [middle.activationId])
    assert.deepEqual(await ids({ since: middle.start }), [newest.activationId, middle.activationId])
    assert.deepEqual(await ids({ upto: middle.start }), [middle.activationId, oldest.activationId])
    assert.deepEqual(await ids({ since: middle.start, upto: middle.start }), [middle.activationId])
  },

  'list counts': async bench => {
    const { name } = await invoked(bench)
    await eventually(async () => (await bench.ow.activations.list({ name, count: true })).activations === 1, 'a count of one')
  },

  'list takes the name with its package': async bench => {
    const { name: pack } = await bench.package('pack')
    const { name } = await bench.action('greet', GREET, { package: pack })
    const { activationId } = await bench.ow.actions.invoke({ name })
    const found = await eventually(async () => {
      const listed = await bench.ow.activations.list({ name })
      return listed.length > 0 && listed
    }, 'the activation in the list')
    assert.deepEqual(found.map(each => each.activationId), [activationId])
    isId(activationId)
  },

  'an id that is none, and one nobody has': async bench => {
    await refused(bench.ow.activations.get('not-an-id'), 400)
    await refused(bench.ow.activations.get('0123456789abcdef0123456789abcdef'), 404, /does not exist/)
    await refused(bench.ow.activations.logs('0123456789abcdef0123456789abcdef'), 404)
    await refused(bench.ow.activations.result('0123456789abcdef0123456789abcdef'), 404)
  }
}
