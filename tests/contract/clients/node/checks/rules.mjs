import assert from 'node:assert/strict'
import { ECHO, eventually, includes, refused } from '../bench.mjs'

export const checks = {
  'create answers both ends, and is active': async bench => {
    const { name, made, trigger, action } = await bench.rule('made')
    includes(made, {
      name, namespace: bench.namespace, version: '0.0.1', publish: false, status: 'active',
      trigger: { path: bench.namespace, name: trigger }, action: { path: bench.namespace, name: action }
    })
    includes(await bench.ow.rules.get(name), { name, status: 'active', trigger: { name: trigger } })
  },

  'disable and enable': async bench => {
    const { name, trigger } = await bench.rule('switched')
    await bench.ow.rules.disable({ name })
    assert.equal((await bench.ow.rules.get(name)).status, 'inactive')
    assert.equal((await bench.ow.triggers.invoke({ name: trigger }))?.activationId, undefined)
    await bench.ow.rules.disable({ name })
    await bench.ow.rules.enable({ name })
    assert.equal((await bench.ow.rules.get(name)).status, 'active')
    assert.ok((await bench.ow.triggers.invoke({ name: trigger })).activationId)
  },

  'a state that is none is refused': async bench => {
    const { name } = await bench.rule('stated')
    // The client has no such call; its own way of posting to a rule does.
    await refused(bench.ow.rules.operationWithId('POST', { name, body: { status: 'asleep' } }), 400)
  },

  'update moves the rule and keeps its state': async bench => {
    const rule = await bench.rule('moved')
    await bench.ow.rules.disable({ name: rule.name })
    const { name: other } = await bench.action('other')
    const updated = await bench.ow.rules.update({ name: rule.name, trigger: rule.trigger, action: other })
    includes(updated, { version: '0.0.2', status: 'inactive', action: { path: bench.namespace, name: other } })
  },

  'a rule may run an action in a package': async bench => {
    const { name: pack } = await bench.package('pack')
    const { name: action } = await bench.action('echo', ECHO, { package: pack })
    const { name: trigger } = await bench.trigger('trigger')
    const name = bench.owns('rules', bench.name('packaged'))
    const made = await bench.ow.rules.create({ name, trigger, action })
    includes(made, { action: { path: `${bench.namespace}/${pack}`, name: 'echo' } })
    const { activationId } = await bench.ow.triggers.invoke({ name: trigger, params: { a: 1 } })
    await eventually(async () => (await bench.record(activationId)).logs[0], 'the rule’s line')
  },

  'list has rules without their state, and counts them': async bench => {
    const { name, trigger } = await bench.rule('listed')
    const [listed] = await bench.ow.rules.list({ limit: 1 })
    includes(listed, { name, namespace: bench.namespace, trigger: { name: trigger } })
    assert.equal('status' in listed, false)
    assert.ok((await bench.ow.rules.list({ count: true })).rules >= 1)
  },

  'both ends must exist': async bench => {
    const { name: trigger } = await bench.trigger('real')
    const { name: action } = await bench.action('real-action')
    const rule = ends => bench.ow.rules.create({ name: bench.name('dangling'), trigger, action, ...ends })
    await refused(rule({ trigger: bench.name('no-trigger') }), 400, /does not exist/)
    await refused(rule({ action: bench.name('no-action') }), 400, /does not exist/)
  },

  'create refuses a name in use': async bench => {
    const { name, trigger, action } = await bench.rule('again')
    await refused(bench.ow.rules.create({ name, trigger, action }), 409, /already exists/)
  },

  'an active rule can go, and then does not run': async bench => {
    const { name, trigger } = await bench.rule('gone')
    includes(await bench.ow.rules.delete(name), { name })
    await refused(bench.ow.rules.get(name), 404)
    assert.equal((await bench.ow.triggers.invoke({ name: trigger }))?.activationId, undefined)
  },

  'without its trigger a rule is inactive': async bench => {
    const { name, trigger } = await bench.rule('orphan')
    await bench.ow.triggers.delete(trigger)
    assert.equal((await bench.ow.rules.get(name)).status, 'inactive')
  }
}
