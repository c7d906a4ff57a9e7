import assert from 'node:assert/strict'
import { refused } from '../bench.mjs'

export const checks = {
  'list has the caller’s own': async bench => {
    assert.deepEqual(await bench.ow.namespaces.list(), [bench.namespace])
  },

  'get has what is in it': async bench => {
    const [rule, pack] = await Promise.all([bench.rule('listed'), bench.package('box')])
    const inside = await bench.ow.namespaces.get()
    const names = Object.fromEntries(Object.entries(inside).map(([kind, each]) => [kind, each.map(({ name }) => name)]))
    assert.ok(names.rules.includes(rule.name))
    assert.ok(names.triggers.includes(rule.trigger))
    assert.ok(names.actions.includes(rule.action))
    assert.ok(names.packages.includes(pack.name))
  },

  'a client may name its namespace': async bench => {
    const { name } = await bench.action('here')
    const named = bench.client({ namespace: bench.namespace })
    assert.equal((await named.actions.get(name)).namespace, bench.namespace)
  },

  'another’s is forbidden': async bench => {
    const other = bench.client({ namespace: 'nobody-has-this-one' })
    await refused(other.actions.list(), 403, /not authorized/)
  }
}
