/** The image of the Dockerfile, built step by step in an empty folder and run as another user on a tree that is read-only. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { buildImage, type Image } from '../deploy/dockerfile.ts'
import { read } from '../docs/blocks.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { useFolder, useRedis } from '../helpers/redis.ts'

/** Where the tests run as root, a user without any right; else their own user, for whom the tree is read-only as well. */
const OTHER_USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

const PERSON = 'Ada'
const folder = useFolder()
// Over TCP: another user does not reach the socket of a private folder.
const redis = await useRedis({ engine: 'js' })
let image: Image
let settings: NodeJS.ProcessEnv

beforeAll(async () => {
  image = await buildImage(read('Dockerfile'), folder)
  execFileSync('chmod', ['-R', 'a-w,a+rX', folder])
  cleanUp(() => void execFileSync('chmod', ['-R', 'u+w', folder]))
  settings = {
    REDIS_URL: redis.url,
    LOCAL_API_TOKEN: randomBytes(32).toString('base64url'),
    PORT: String(await freePort()),
    LOCAL_API_PORT: String(await freePort()),
    get BOT_ADDRESS() {
      return `http://127.0.0.1:${this.LOCAL_API_PORT}`
    },
  }
}, 400_000)

/** As a container: only what the image and its settings say, and no folder to write to. */
function start([command = '', ...args]: string[]): ChildProcess & {
  output(): string
  ended: Promise<number | null>
} {
  const child = spawn(command, args, {
    ...OTHER_USER,
    cwd: image.workdir,
    env: {
      PATH: dirname(process.execPath),
      TMPDIR: image.workdir,
      HOME: image.workdir,
      ...image.env,
      ...settings,
    },
  })
  cleanUp(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      output += String(data)
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return Object.assign(child, { output: () => output, ended })
}

const call = async (path: string, body?: object): Promise<Record<string, unknown>> => {
  const answer = await fetch(`http://127.0.0.1:${settings.PORT}${path}`, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  })
  return (await answer.json()) as Record<string, unknown>
}

describe('the image of the Dockerfile', () => {
  it('the image runs as a user who is not root, without a shell between', () => {
    expect(image.user).not.toBe('root')
    expect(image.entrypoint[0]).toBe('node')
    expect(image.healthcheck[0]).toBe('node')
  })

  it('the image has no development dependency, and no setting', () => {
    const names = ['-name', 'tsx', '-o', '-name', 'typescript', '-o', '-path', './.env*']
    expect(execFileSync('find', ['.', ...names], { cwd: image.workdir, encoding: 'utf8' })).toBe('')
  })

  it('a request completes, healthy processes are healthy, and SIGTERM ends each with 0', async () => {
    const processes = [image.cmd, ['workers'], ['bots', 'services']].map((cmd) =>
      start([...image.entrypoint, ...cmd]),
    )
    for (const { output } of processes)
      await eventually(() => expect(output()).toContain('"msg":"started"'), { withinMs: 60_000 })
    for (const name of ['server', 'workers', 'bots']) {
      const check = start([...image.healthcheck.slice(0, -1), name])
      expect(await check.ended, check.output()).toBe(0)
    }
    await eventually(async () => expect(JSON.stringify(await call('/api/services'))).toContain('"hello"'))
    const { hash } = await call('/api/local-requests', {
      service_slug: 'hello',
      request_data: { name: PERSON },
    })
    const path = `/api/local-requests/${hash}`
    await eventually(async () => expect(await call(`${path}/status`)).toMatchObject({ requires_otp: true }))
    await call(`${path}/otp`, { otp: 'yes' })
    await eventually(async () =>
      expect(await call(`${path}/status`)).toMatchObject({
        status: 'completed',
        result_data: { greeting: `Hello, ${PERSON}!` },
      }),
    )
    const page = await (await fetch(`http://127.0.0.1:${settings.PORT}/`)).text()
    const [asset] = /\/assets\/[\w.-]+\.css/.exec(page) ?? []
    expect((await fetch(`http://127.0.0.1:${settings.PORT}${asset}`)).status).toBe(200)
    for (const child of processes) {
      child.kill('SIGTERM')
      expect(await child.ended, child.output()).toBe(0)
    }
    const check = start(image.healthcheck)
    expect(await check.ended).toBe(1)
  })
})
