import assert from 'node:assert/strict'
import { ECHO, apart, includes, refused, valueOf } from '../bench.mjs'

const pairs = values => Object.entries(values).map(([key, value]) => ({ key, value }))

export const checks = {
  'create, get, update, delete': async bench => {
    const { name, made } = await bench.package('box', { parameters: pairs({ a: 1 }), annotations: pairs({ about: 'a box' }), publish: true })
    includes(made, { name, namespace: bench.namespace, version: '0.0.1', publish: true, binding: {} })
    const got = await bench.ow.packages.get(name)
    assert.deepEqual(got.parameters, [{ key: 'a', value: 1 }])
    assert.equal(valueOf(got.annotations, 'about'), 'a box')
    assert.deepEqual([got.actions, got.feeds], [[], []])
    const updated = await bench.ow.packages.update({ name, package: { parameters: pairs({ b: 2 }) } })
    includes(updated, { version: '0.0.2', publish: true })
    assert.deepEqual(updated.parameters, [{ key: 'b', value: 2 }])
    includes(await bench.ow.packages.delete(name), { name })
    await refused(bench.ow.packages.get(name), 404)
  },

  'create refuses a name in use, also an action’s': async bench => {
    const { name } = await bench.package('taken')
    await refused(bench.ow.packages.create({ name }), 409, /already exists/)
    const { name: action } = await bench.action('action')
    await refused(bench.ow.packages.create({ name: action }), 409)
    await refused(bench.ow.actions.create({ name, action: ECHO, kind: 'python:default' }), 409)
  },

  'list has packages, newest first, and counts them': async bench => {
    const { name: first } = await bench.package('first')
    await apart()
    const { name: second } = await bench.package('second')
    const listed = await bench.ow.packages.list({ limit: 2 })
    assert.deepEqual(listed.map(each => each.name), [second, first])
    includes(listed[0], { namespace: bench.namespace, version: '0.0.1', publish: false, binding: false })
    const [skipped] = await bench.ow.packages.list({ limit: 1, skip: 1 })
    assert.equal(skipped.name, first)
    assert.ok((await bench.ow.packages.list({ count: true })).packages >= 2)
  },

  'get names the actions and, apart, the feeds in it': async bench => {
    const { name } = await bench.package('catalogue')
    await bench.action('plain', ECHO, { package: name })
    await bench.action('source', ECHO, { package: name, annotations: { feed: true } })
    const got = await bench.ow.packages.get(name)
    assert.deepEqual(got.actions.map(each => each.name), ['plain'])
    assert.deepEqual(got.feeds.map(each => each.name), ['source'])
    includes(got.actions[0], { version: '0.0.1' })
    assert.equal(valueOf(got.feeds[0].annotations, 'feed'), true)
  },

  'its parameters lie under the action’s, and both under the caller’s': async bench => {
    const { name: pack } = await bench.package('layers', { parameters: pairs({ a: 'package', b: 'package', c: 'package' }) })
    const { name } = await bench.action('echo', ECHO, { package: pack, params: { b: 'action', c: 'action' } })
    const result = await bench.ow.actions.invoke({ name, blocking: true, result: true, params: { c: 'caller' } })
    assert.deepEqual(result, { a: 'package', b: 'action', c: 'caller' })
    const got = await bench.ow.actions.get(name)
    includes(got, { namespace: `${bench.namespace}/${pack}`, name: 'echo' })
    assert.equal(valueOf(got.parameters, 'a'), 'package')
    assert.equal(valueOf(got.parameters, 'b'), 'action')
  },

  'a binding lends the actions, under parameters of its own': async bench => {
    const { name: pack } = await bench.package('lender', { parameters: pairs({ a: 'package', b: 'package', c: 'package' }) })
    await bench.action('echo', ECHO, { package: pack, params: { c: 'action' } })
    const binding = { namespace: bench.namespace, name: pack }
    const { name: bound, made } = await bench.package('borrower', { binding, parameters: pairs({ b: 'binding', c: 'binding' }) })
    assert.deepEqual(made.binding, binding)
    const result = await bench.ow.actions.invoke({ name: `${bound}/echo`, blocking: true, result: true })
    assert.deepEqual(result, { a: 'package', b: 'binding', c: 'action' })
    const got = await bench.ow.packages.get(bound)
    assert.deepEqual(got.actions.map(each => each.name), ['echo'])
    assert.equal(valueOf(got.parameters, 'a'), 'package')
    includes((await bench.ow.packages.list({ limit: 1 }))[0], { name: bound, binding })
  },

  'nothing is written through a binding': async bench => {
    const { name: pack } = await bench.package('original')
    const { name: bound } = await bench.package('mirror', { binding: { namespace: bench.namespace, name: pack } })
    const create = bench.ow.actions.create({ name: `${bound}/new`, action: ECHO, kind: 'python:default' })
    await refused(create, 400, /not permitted on package binding/)
  },

  'a binding needs a package to bind to': async bench => {
    const binding = { namespace: bench.namespace, name: bench.name('nowhere') }
    await refused(bench.ow.packages.create({ name: bench.name('loose'), package: { binding } }), 400, /does not exist/)
  },

  'delete refuses a package that is not empty': async bench => {
    const { name } = await bench.package('full')
    await bench.action('content', ECHO, { package: name })
    await refused(bench.ow.packages.delete(name), 409, /not empty/)
  },

  'an action needs its package': async bench => {
    const create = bench.ow.actions.create({ name: `${bench.name('absent')}/echo`, action: ECHO, kind: 'python:default' })
    await refused(create, 404)
  },

  'default is no name for a package': async bench => {
    await refused(bench.ow.packages.create({ name: 'default' }), 400)
  }
}
