import assert from 'node:assert/strict'
import { FEED, includes } from '../bench.mjs'

async function feed (bench) {
  const { name } = await bench.action('source', FEED, { annotations: { feed: true } })
  const { name: trigger } = await bench.trigger('fed', { annotations: [{ key: 'feed', value: `/_/${name}` }] })
  return { name, trigger }
}

function heard (record) {
  includes(record.response, { status: 'success', success: true })
  assert.equal(record.response.result.key, true)
  return record.response.result.heard
}

export const checks = {
  'each call reaches the feed as its life-cycle event': async bench => {
    const options = await feed(bench)
    const calls = { create: 'CREATE', get: 'READ', update: 'UPDATE', delete: 'DELETE' }
    for (const [call, lifecycleEvent] of Object.entries(calls)) {
      const record = await bench.ow.feeds[call]({ ...options, params: { bucket: 'images' } })
      assert.deepEqual(heard(record), { lifecycleEvent, triggerName: `/_/${options.trigger}`, bucket: 'images' })
    }
  },

  'a feed in a package, and by its full name': async bench => {
    const { name: pack } = await bench.package('pack')
    const { name } = await bench.action('source', FEED, { package: pack, annotations: { feed: true } })
    const { name: trigger } = await bench.trigger('fed')
    for (const feedName of [name, `/${bench.namespace}/${name}`]) {
      const record = await bench.ow.feeds.create({ feedName, trigger, params: { bucket: 'images' } })
      includes(heard(record), { lifecycleEvent: 'CREATE' })
    }
  },

  'a feed that refuses fails the call': async bench => {
    const options = await feed(bench)
    const call = bench.ow.feeds.create({ ...options, params: { bucket: 'refused' } })
    const error = await call.then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    assert.deepEqual(error.error.response.result, { error: 'no such bucket' })
  }
}
