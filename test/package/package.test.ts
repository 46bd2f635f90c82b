/** The npm package as its users have it: packed, installed without development dependencies, and started. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { useFolder, useRedis } from '../helpers/redis.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)
const INSTALL_WITHIN_MS = 300_000

const redis = await useRedis()
const folder = useFolder()
const project = join(folder, 'my-bot')
const halfway = join(project, 'node_modules/.bin/halfway')

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT })
  const tarball = join(folder, stdout.trim().split('\n').at(-1) as string)
  const bin = join(ROOT, 'cli/bin.ts')
  await run(process.execPath, ['--import', 'tsx', bin, 'init', project, '--halfway', `file:${tarball}`], {
    cwd: ROOT,
  })
  await run('npm', ['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: project })
}, INSTALL_WITHIN_MS)

interface Started {
  process: ChildProcess
  output(): string
  ended: Promise<number | null>
}

async function start(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  readyText: string,
): Promise<Started> {
  const child = spawn(command, args, { cwd: project, env: { ...process.env, ...env }, detached: true })
  cleanUp(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL')
    } catch {
      // The whole group has ended.
    }
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      output += String(data)
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  await eventually(() => expect(output).toContain(readyText), { withinMs: 60_000 })
  return { process: child, output: () => output, ended }
}

async function post(url: string, body: object): Promise<Record<string, unknown>> {
  const headers = { 'content-type': 'application/json' }
  return (await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as Record<
    string,
    unknown
  >
}

/** The programs of this machine that npm and the package need, without any Redis. */
function bareFolder(): string {
  const bare = join(folder, 'bare')
  mkdirSync(bare, { recursive: true })
  const folders = (process.env.PATH ?? '').split(delimiter)
  for (const name of ['npm', 'sh']) {
    const found = folders.map((path) => join(path, name)).find((path) => existsSync(path)) as string
    symlinkSync(found, join(bare, name))
  }
  symlinkSync(process.execPath, join(bare, 'node'))
  return bare
}

describe('the npm package', () => {
  it('contains no TypeScript but types, and installs nothing that compiles or tests', () => {
    for (const name of ['tsx', 'typescript', 'esbuild', 'vitest', 'js-redis-server'])
      expect(existsSync(join(project, 'node_modules', name)), name).toBe(false)
    expect(existsSync(join(project, 'node_modules/halfway/dist/server/main.js'))).toBe(true)
    expect(existsSync(join(project, 'node_modules/halfway/dist/server/main.ts'))).toBe(false)
    expect(existsSync(join(project, 'node_modules/halfway/server'))).toBe(false)
  })

  it('runs a request of the new project from npm start, without an installed Redis', async () => {
    const [port, botPort] = (await Promise.all([freePort(), freePort()])).map(String)
    const env = {
      PATH: bareFolder(),
      REDIS_URL: '',
      TMPDIR: folder,
      PORT: port,
      LOCAL_API_PORT: botPort,
      LOCAL_API_URL: `http://127.0.0.1:${botPort}`,
    }
    const all = await start('npm', ['start'], env, 'Halfway is ready')
    expect(all.output()).toContain('written in JavaScript')
    const url = `http://127.0.0.1:${port}`
    expect(await (await fetch(`${url}/services/hello`)).text()).toContain('Your name')
    expect((await fetch(`${url}/assets/halfway-progress.js`)).status).toBe(200)

    const request = { service_slug: 'hello', request_data: { name: 'Ada' } }
    const { hash } = await post(`${url}/api/local-requests`, request)
    const expectStatus = (expected: object): Promise<void> =>
      eventually(
        async () =>
          expect(await (await fetch(`${url}/api/local-requests/${hash}/status`)).json()).toMatchObject(
            expected,
          ),
        { withinMs: 30_000 },
      )
    await expectStatus({ status: 'otp_required', current_message: 'Greet Ada?' })
    await post(`${url}/api/local-requests/${hash}/otp`, { otp: 'yes' })
    await expectStatus({ status: 'completed', result_data: { greeting: 'Hello, Ada!' } })

    all.process.kill('SIGTERM')
    expect(await all.ended, all.output()).toBe(0)
    await expect(fetch(url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })

  it.each([['server'], ['workers']])('halfway %s is one process, which a signal ends', async (name) => {
    const port = String(await freePort())
    const env = { REDIS_URL: redis.url, PORT: port }
    const started = await start(halfway, [name], env, '"msg":"started"')
    const { pid } = started.process
    expect(started.output()).toContain(`"pid":${pid},"name":"${name}"`)
    if (process.platform === 'linux')
      expect(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()).toBe('')
    started.process.kill('SIGTERM')
    expect(await started.ended, started.output()).toBe(0)
  })

  it('runs tasks in child processes and in threads', async () => {
    const script = join(project, 'tasks.mjs')
    writeFileSync(
      script,
      `import { createPoolDriver } from './node_modules/halfway/dist/core/tasks/drivers/pool.js'
       import { defineTask } from 'halfway/bot'
       import { z } from 'zod'
       export const double = defineTask('double', { args: z.number(), result: z.number() }, (n) => 2 * n)
       if (process.argv[2] === 'run')
         for (const runtime of ['child_process', 'worker_threads']) {
           const pool = createPoolDriver({ runtime, tasks: import.meta.url, maxWorkers: 1 })
           console.log(await pool.run({ name: 'double', args: '21', signal: new AbortController().signal, timeout: 20_000 }))
           await pool.stop()
         }`,
    )
    const { stdout } = await run(process.execPath, [script, 'run'], { cwd: project })
    expect(stdout.match(/42/g)).toHaveLength(2)
  })

  it('the test of the new project passes', async () => {
    const { stdout } = await run('npm', ['test'], { cwd: project })
    expect(stdout).toMatch(/pass 2\b/)
  })

  it('the exports have types', async () => {
    const file = join(project, 'typed.ts')
    writeFileSync(
      file,
      `import { type Bot, createBot, createUpdater, defineService, type Updater } from 'halfway/bot'
       import { runHandler } from 'halfway/test'
       import 'halfway/element'
       const service = defineService(
         { slug: 'typed', title: 'Typed', fields: [{ name: 'count', type: 'number', label: 'Count' }] },
         async ({ count }) => count + 1,
       )
       export const bot = (): Promise<Bot> => createBot({ services: [service], url: 'http://localhost:3000' })
       export const updater = (): Promise<Updater> => createUpdater({ url: 'http://localhost:3000', token: 't' })
       export const result: unknown = (await runHandler(service, { count: 1 })).result
       // @ts-expect-error a field that the definition does not have
       defineService({ slug: 'typed', title: 'Typed', fields: [] }, async ({ missing }) => missing)`,
    )
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2023', '--module', 'nodenext']
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types'), '--types', 'node']
    await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...options, ...types, file], {
      cwd: project,
    }).catch((error: { stdout: string }) => expect(error.stdout).toBe(''))
  })
})
