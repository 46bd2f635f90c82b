/** Every command that the documents for operators show, run in their order against a real installation. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { openRedis } from '../../core/redis/connect.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { createRequestStore, type RequestStore } from '../../core/store/request-store.ts'
import { startScript } from '../helpers/child.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { commandsIn } from '../helpers/doc-commands.ts'
import { findExecutable } from '../helpers/executables.ts'
import { startHalfway } from '../helpers/halfway.ts'
import { aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const commands = [...new Set(['docs/OPERATE.md', 'CHANGELOG.md'].flatMap(commandsIn))]
const run = promisify(execFile)

const installation = onRealRedis ? await open() : null

async function open() {
  const settings = { LOCAL_API_TOKEN: 'a-token-of-the-tests', LOG_LEVEL: 'info' }
  const halfway = await startHalfway(settings)
  cleanUp(() => void halfway.stop())
  const { url } = halfway.redis
  const connections = await openRedis({ kind: 'single', url }, quiet)
  cleanUp(() => connections.stop())
  const store = createRequestStore({ redis: await connections.connect('patient'), ttlSeconds: TTL_SECONDS })
  return {
    url: halfway.url,
    socket: url.replace(/^unix:\/\//, ''),
    store,
    env: { ...settings, REDIS_URL: url, LOCAL_API_URL: halfway.botUrl },
  }
}
type Installation = NonNullable<typeof installation>

const SERVICE = { service_slug: 'link-check', request_data: { url: 'http://127.0.0.1:9/' } }
const HOUR_MS = 3_600_000

async function create(
  { store }: Installation,
  change?: Parameters<RequestStore['apply']>[1],
): Promise<string> {
  const later = new Date(Date.now() + HOUR_MS).toISOString()
  const record = aRecord({ ...SERVICE, ...(change ? {} : { run_at: later }) })
  await store.create(record)
  if (change) expect(await store.apply(record.hash, change)).toMatchObject({ ok: true })
  return record.hash
}

/** A request of the kind that a command is for. */
const requestFor = (all: Installation, command: string): Promise<string> => {
  if (command.includes(' cancel ')) return create(all)
  if (command.includes(' retry '))
    return create(all, { type: 'fail', error: { code: 'failed', message: 'It failed.', retryable: false } })
  return create(all, { type: 'complete', attempt: 0, result: { pages: 1 } })
}

async function inThis(all: Installation, command: string): Promise<string> {
  const hash = await requestFor(all, command)
  return command
    .replace('req_…', hash)
    .replace('http://localhost:3000', all.url)
    .replace(/^redis-cli/, `redis-cli -s ${all.socket}`)
}

async function expectToStartAndStop({ env }: Installation, name: string, args: string[]): Promise<void> {
  const ports = { PORT: String(await freePort()), LOCAL_API_PORT: String(await freePort()) }
  const child = startScript(name, args, { ...env, ...ports })
  await child.waitForOutput('"msg":"started"')
  child.process.kill('SIGTERM')
  expect(await child.ended, child.output()).toBe(0)
}

describe.skipIf(!installation)('a command that docs/OPERATE.md or CHANGELOG.md shows', () => {
  it.each(commands)('works: %s', async (command) => {
    const all = installation as Installation
    const [, script, args = ''] =
      /^npm run (start:\w+|concurrency:processor)(?: -- (.*))?$/.exec(command) ?? []
    if (script) return expectToStartAndStop(all, script, args.split(' ').filter(Boolean))
    const [program = ''] = command.split(' ')
    expect(['npm', 'redis-cli', 'curl', 'openssl']).toContain(program)
    if (findExecutable(program) === undefined) return
    const env = { ...process.env, ...all.env, npm_config_loglevel: 'silent' }
    const { stdout } = await run('sh', ['-c', await inThis(all, command)], { cwd: ROOT, env })
    if (program === 'curl') expect(stdout).toContain('HTTP/1.1 200')
    if (program === 'redis-cli') expect(stdout).not.toContain('ERR')
    expect(stdout.trim()).not.toBe('')
  })
})
