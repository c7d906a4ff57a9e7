// Drives the OpenWhisk at WHISK_HOST, with the key WHISK_AUTH, through the npm client. One line of JSON a check:
// {"name", "ok", "detail"}. Arguments are names of checks; without any, all are run. Exits 1 if one failed.
import { setTimeout as pause } from 'node:timers/promises'
import openwhisk from 'openwhisk'
import { Bench } from './bench.mjs'

const AREAS = ['actions', 'sequences', 'packages', 'triggers', 'rules', 'feeds', 'activations', 'namespaces', 'errors']

async function load () {
  const modules = await Promise.all(AREAS.map(area => import(`./checks/${area}.mjs`)))
  return AREAS.flatMap((area, at) =>
    Object.entries(modules[at].checks).map(([what, check]) => [`${area}: ${what}`, check]))
}

async function run (name, check, setting) {
  const bench = new Bench(setting)
  try {
    const skipped = await check(bench)
    return { name, ok: true, detail: skipped ?? '' }
  } catch (error) {
    return { name, ok: false, detail: `${error.stack ?? error}`.slice(0, 4000) }
  } finally {
    await bench.clean()
  }
}

// A stock OpenWhisk grants sixty calls a minute: what it refuses for that says nothing, and is asked again.
async function runWithinQuota (name, check, setting) {
  for (let minutes = 0; ; minutes++) {
    const line = await run(name, check, setting)
    if (line.ok || minutes === 2 || !/Too many requests in the last minute/.test(line.detail)) return line
    await pause(60_000 - Date.now() % 60_000 + 500)
  }
}

async function main (wanted) {
  const { WHISK_HOST: apihost, WHISK_AUTH: key } = process.env
  const about = await (await fetch(apihost)).json()
  const [namespace] = await openwhisk({ apihost, api_key: key }).namespaces.list()
  const checks = (await load()).filter(([name]) => wanted.length === 0 || wanted.includes(name))
  let failed = wanted.length > checks.length
  for (const [name, check] of checks) {
    const line = await runWithinQuota(name, check, { apihost, key, namespace, about })
    failed ||= !line.ok
    console.log(JSON.stringify(line))
  }
  process.exitCode = failed ? 1 : 0
}

await main(process.argv.slice(2))
