import assert from 'node:assert/strict'
import { GREET, REFUSE, includes, isId, refused, valueOf } from '../bench.mjs'

const ADD = 'def main(args):\n    return {"number": args.get("number", 0) + args.get("step", 1)}\n'

async function sequence (bench, base, components) {
  const name = bench.owns('actions', bench.name(base))
  const made = await bench.ow.actions.create({ name, sequence: components.map(component => `/_/${component}`) })
  return { name, made }
}

export const checks = {
  'create resolves the components’ namespace': async bench => {
    const { name: add } = await bench.action('add', ADD)
    const { made } = await sequence(bench, 'resolved', [add, add])
    assert.deepEqual(made.exec.components, [`/${bench.namespace}/${add}`, `/${bench.namespace}/${add}`])
    includes(made, { exec: { kind: 'sequence' } })
    assert.deepEqual(valueOf(made.parameters, '_actions'), made.exec.components)
  },

  'each component gets the result before it, over its own parameters': async bench => {
    const { name: one } = await bench.action('one', ADD)
    const { name: ten } = await bench.action('ten', ADD, { params: { step: 10 } })
    const { name } = await sequence(bench, 'sum', [one, ten, one])
    // The step passed in reaches the first component only: the others see what came out before them.
    const params = { number: 100, step: 5 }
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true, params }), { number: 116 })
  },

  'the record names its components, and they their cause': async bench => {
    const { name: add } = await bench.action('part', ADD)
    const { name } = await sequence(bench, 'whole', [add, add])
    const record = await bench.ow.actions.invoke({ name, blocking: true })
    assert.equal(valueOf(record.annotations, 'topmost'), true)
    assert.equal(valueOf(record.annotations, 'kind'), 'sequence')
    assert.equal(valueOf(record.annotations, 'path'), `${bench.namespace}/${name}`)
    const { logs } = await bench.record(record.activationId)
    assert.equal(logs.length, 2)
    const parts = await Promise.all(logs.map(id => bench.record(id)))
    for (const part of parts) {
      includes(part, { cause: record.activationId, name: add })
      assert.equal(valueOf(part.annotations, 'causedBy'), 'sequence')
    }
    assert.equal(parts[1].response.result.number, 2)
    assert.equal(record.duration, parts[0].duration + parts[1].duration)
  },

  'the first error ends it': async bench => {
    const [{ name: refuse }, { name: greet }] = await Promise.all([bench.action('refuse', REFUSE), bench.action('never', GREET)])
    const { name } = await sequence(bench, 'ended', [refuse, greet])
    const error = await bench.ow.actions.invoke({ name, blocking: true, params: { said: 'stop' } }).then(() => assert.fail('accepted'), refusal => refusal)
    assert.equal(error.statusCode, 502)
    includes(error.error.response, { status: 'application error', result: { error: { said: 'stop' } } })
    assert.equal((await bench.record(error.error.activationId)).logs.length, 1)
  },

  'an error in what is passed in does not end it': async bench => {
    const { name: add } = await bench.action('unmoved', ADD)
    const { name } = await sequence(bench, 'unmoved-sequence', [add])
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true, params: { error: 'earlier' } }), { number: 1 })
  },

  'a sequence may be a component': async bench => {
    const { name: add } = await bench.action('inner-add', ADD)
    const { name: inner } = await sequence(bench, 'inner', [add, add])
    const { name } = await sequence(bench, 'outer', [inner, add])
    const record = await bench.ow.actions.invoke({ name, blocking: true })
    includes(record.response.result, { number: 3 })
    const { logs } = await bench.record(record.activationId)
    const nested = await bench.record(logs[0])
    includes(nested, { name: inner, cause: record.activationId })
    assert.equal(valueOf(nested.annotations, 'causedBy'), 'sequence')
    isId(nested.logs[0])
  },

  'a component must exist, and be none of itself': async bench => {
    const missing = bench.name('missing')
    await refused(sequence(bench, 'dangling', [missing]), 400, /Sequence component does not exist/)
    const { name: add } = await bench.action('cycle-add', ADD)
    const { name } = await sequence(bench, 'cycle', [add])
    await refused(bench.ow.actions.update({ name, sequence: [`/_/${name}`] }), 400, /may not refer to itself/)
  },

  'a component in a package gets the package’s parameters': async bench => {
    const { name: pack } = await bench.package('parts', { parameters: [{ key: 'step', value: 7 }] })
    const { name: add } = await bench.action('add', ADD, { package: pack })
    const { name } = await sequence(bench, 'packaged', [add, add])
    assert.deepEqual(await bench.ow.actions.invoke({ name, blocking: true, result: true }), { number: 14 })
  }
}
