import assert from 'node:assert/strict'
import { apart, eventually, includes, isId, refused, valueOf } from '../bench.mjs'

export const checks = {
  'create, get, update, delete': async bench => {
    const parameters = [{ key: 'place', value: 'here' }]
    const { name, made } = await bench.trigger('bell', { parameters }, { annotations: { about: 'rings' } })
    includes(made, { name, namespace: bench.namespace, version: '0.0.1', publish: false, limits: {} })
    const got = await bench.ow.triggers.get(name)
    assert.deepEqual(got.parameters, parameters)
    assert.equal(valueOf(got.annotations, 'about'), 'rings')
    const updated = await bench.ow.triggers.update({ name, trigger: { parameters: [{ key: 'place', value: 'there' }] } })
    includes(updated, { version: '0.0.2' })
    assert.equal(valueOf(updated.parameters, 'place'), 'there')
    assert.equal(valueOf(updated.annotations, 'about'), 'rings')
    includes(await bench.ow.triggers.delete(name), { name })
    await refused(bench.ow.triggers.get(name), 404, /does not exist/)
  },

  'create refuses a name in use': async bench => {
    const { name } = await bench.trigger('again')
    await refused(bench.ow.triggers.create({ name }), 409, /already exists/)
  },

  'list pages and counts': async bench => {
    const { name: first } = await bench.trigger('first')
    await apart()
    const { name: second } = await bench.trigger('second')
    assert.deepEqual((await bench.ow.triggers.list({ limit: 2 })).map(each => each.name), [second, first])
    assert.equal((await bench.ow.triggers.list({ limit: 1, skip: 1 }))[0].name, first)
    assert.ok((await bench.ow.triggers.list({ count: true })).triggers >= 2)
  },

  'a fire nobody listens to leaves nothing': async bench => {
    const { name } = await bench.trigger('unheard')
    const answer = await bench.ow.triggers.invoke({ name, params: { a: 1 } })
    assert.equal(answer?.activationId, undefined)
  },

  'a fire runs the rule’s action with the event over the trigger’s parameters': async bench => {
    const rule = await bench.rule('heard')
    await bench.ow.triggers.update({ name: rule.trigger, trigger: { parameters: [{ key: 'a', value: 'trigger' }, { key: 'b', value: 'trigger' }] } })
    const { activationId } = await bench.ow.triggers.invoke({ name: rule.trigger, params: { b: 'event' } })
    isId(activationId)
    const fired = await eventually(async () => {
      const record = await bench.record(activationId)
      return record.logs.length > 0 && record
    }, 'the rule’s line in the trigger’s record')
    includes(fired, { name: rule.trigger, response: { status: 'success', success: true } })
    // What the trigger was given: its own parameters belong to it as much as the event's.
    assert.equal(fired.response.result.b, 'event')
    const line = JSON.parse(fired.logs[0])
    includes(line, { statusCode: 0, success: true, rule: `${bench.namespace}/${rule.name}`, action: `${bench.namespace}/${rule.action}` })
    const ran = await bench.record(line.activationId)
    includes(ran, { name: rule.action, response: { result: { a: 'trigger', b: 'event' } } })
    assert.equal(ran.cause, undefined)
  },

  'a rule whose action has gone is a line in the record': async bench => {
    const rule = await bench.rule('broken')
    await bench.ow.actions.delete(rule.action)
    const { activationId } = await bench.ow.triggers.invoke({ name: rule.trigger })
    const fired = await eventually(async () => {
      const record = await bench.record(activationId)
      return record.logs.length > 0 && record
    }, 'the rule’s line in the trigger’s record')
    const line = JSON.parse(fired.logs[0])
    includes(line, { statusCode: 1, success: false, rule: `${bench.namespace}/${rule.name}` })
    assert.match(line.error, /does not exist/)
  },

  'a fire of what is not there is refused': async bench => {
    await refused(bench.ow.triggers.invoke({ name: bench.name('nothing') }), 404)
  },

  'get shows the rules that listen': async bench => {
    const rule = await bench.rule('shown')
    const { rules } = await bench.ow.triggers.get(rule.trigger)
    includes(rules[`${bench.namespace}/${rule.name}`], { action: { path: bench.namespace, name: rule.action }, status: 'active' })
  }
}
