/** Whatever Redis and bots do, a command ends with a sentence and an exit code, never with a stack trace. */
import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { type CliRun, useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, START } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog } from '../helpers/services.ts'

const redis = await useRedis()
const { client, given } = await useRequests(redis)

interface Finding {
  check: string
  result: 'ok' | 'warn' | 'fail'
  found: string
  todo: string | null
}

async function listening(server: Server | ReturnType<typeof createHttpServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
const useBot = async (answer: RequestListener): Promise<string> =>
  `http://${await listening(createHttpServer(answer))}`

const NO_BOT = 'http://127.0.0.1:1'
/** Every command, for a request that may exist. */
const COMMANDS = (hash: string): string[][] => [
  ['list'], ['show', hash], ['show', hash, '--raw'], ['watch', hash], ['cancel', hash], ['failed'], ['failed', 'retry', hash],
  ['failed', 'retry', '--all'], ['queues'], ['cleanup', '--dry-run'], ['cleanup'],
] // biome-ignore format: a list

function expectSentences(command: string, { out, err, code }: CliRun): void {
  expect.soft(out + err, command).not.toMatch(/^ +at |Error:|undefined|NaN|\[object/m)
  expect.soft(out + err, command).not.toBe('')
  // These report failures on standard output.
  if (code !== 0 && !/^(doctor|watch|failed retry)/.test(command))
    expect.soft(err, command).toMatch(/^halfway: .+\n$/)
}

async function expectCommandsToEnd(url: string, hash = aHash()): Promise<void> {
  const cli = useCli({ url }, { LOCAL_API_URL: NO_BOT })
  for (const args of COMMANDS(hash)) expectSentences(args.join(' '), await cli.run(...args))
  expectSentences('doctor', await cli.run('doctor'))
}
const doctor = async (url: string, LOCAL_API_URL = NO_BOT): Promise<Map<string, Finding>> => {
  const all = await useCli({ url }, { LOCAL_API_URL }).json<Finding[]>('doctor')
  for (const { result, todo, found } of all) if (result !== 'ok') expect.soft(todo, found).not.toBeNull()
  return new Map(all.map((one) => [one.check, one]))
}

describe.runIf(onRealRedis)('a Redis', () => {
  /** The address of Redis, with a user that has these rights. */
  async function addressOf(name: string, ...rights: string[]): Promise<string> {
    await client.call('ACL', 'SETUSER', name, 'reset', 'on', '>secret-of-this-user', '~*', '&*', ...rights)
    return redis.url.replace('unix://', `unix://${name}:secret-of-this-user@`)
  }

  test('doctor warns about every property of Redis that its user may not read', async () => {
    const all = await doctor(await addressOf('blind', '+@all', '-info', '-config', '-client|list'))
    for (const check of [
      'Redis version',
      'Redis when full',
      'Redis memory',
      'Redis persistence',
      'Redis slow log',
      'Redis connections',
    ])
      expect(all.get(check), check).toMatchObject({
        result: 'warn',
        found: expect.stringMatching(/^could not see/),
      })
    expect(all.get('Redis writes')).toMatchObject({ result: 'ok' })
  }, 20_000)

  test.each([
    ['nothing but connect', ['+ping']],
    ['read only', ['+@read', '+ping', '+time', '+info']],
    ['all but publish and subscribe', ['+@all', '-publish', '-subscribe', '-eval', '-evalsha']],
    ['all but keys of Halfway', ['+@all', 'resetkeys', '~other:*']],
  ])(
    'every command ends with a sentence when the user of Redis may do %s',
    async (name, rights) => {
      const { hash } = (await given(START)).record
      await expectCommandsToEnd(await addressOf(name.replaceAll(' ', '-'), ...rights), hash)
    },
    60_000,
  )

  test('list fails when records may not be read, instead of printing fewer', async () => {
    await given(START)
    const cli = useCli({ url: await addressOf('unread', '+@all', '-get', '-mget') })
    expect((await cli.run('list')).err).toMatch(/^halfway: .*permission/i)
  })

  test('doctor reports a full Redis', async () => {
    await client.config('SET', 'maxmemory', '1')
    const all = await doctor(redis.url)
    await client.config('SET', 'maxmemory', '0')
    expect(all.get('Redis writes')).toMatchObject({
      result: 'fail',
      found: 'Redis is full and refuses writes',
    })
    expect(all.get('Redis memory')).toMatchObject({ result: 'fail', found: expect.stringMatching(/^full/) })
  }, 20_000)

  test('doctor warns of a nearly full Redis that still accepts writes', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
    await client.config('SET', 'maxmemory', String(used + 900_000))
    const all = await doctor(redis.url)
    await client.config('SET', 'maxmemory', '0')
    expect(all.get('Redis writes')).toMatchObject({ result: 'ok' })
    expect(all.get('Redis memory')).toMatchObject({
      result: 'warn',
      found: expect.stringMatching(/^nearly full/),
    })
  }, 20_000)

  test('every command ends with a sentence when all keys have wrong types or invalid values', async () => {
    const { hash } = (await given(START)).record
    const ownKeys = [
      keys.list,
      keys.deadlines,
      keys.failed,
      keys.failedEntries,
      keys.workersAlive,
      keys.writeProbe,
      keys.record(hash),
      keys.backup(hash),
    ]
    const queues = queuesOf(catalog).flatMap(({ name }) =>
      ['wait', 'prioritized', 'delayed', 'active', 'meta', 'id', 'pc'].map(
        (part) => `halfway:${name}:${part}`,
      ),
    )
    for (const put of [
      (key: string) => client.set(key, 'nonsense\u001b[2J'),
      (key: string) => client.lpush(key, 'nonsense\u001b[2J', ''),
      (key: string) => client.zadd(key, 1, 'nonsense\u001b[2J'),
      (key: string) => client.hset(key, 'nonsense', '{', hash, '{', 'concurrency', 'x'),
    ]) {
      await client.del(...ownKeys, ...queues)
      for (const key of [...ownKeys, ...queues]) await put(key)
      await expectCommandsToEnd(redis.url, hash)
    }
    await client.flushall()
  }, 120_000)
})

describe('a connection', () => {
  /** A proxy to the Redis of this test that closes after this many chunks of the client, or when `cut` is called. */
  async function useCuttingProxy(chunks: number) {
    const open = new Set<Socket>()
    let left = chunks
    let isCut = false
    /** Resolves once the connections are closed. */
    async function cut(): Promise<void> {
      isCut = true
      server.close()
      const closed = [...open].filter((one) => !one.closed).map((one) => once(one, 'close'))
      for (const one of open) one.destroy()
      await Promise.all(closed)
    }
    const { hostname, port, pathname, username, password } = new URL(redis.url)
    const server = createServer((socket) => {
      const upstream = redis.url.startsWith('unix:') ? connect(pathname) : connect(Number(port), hostname)
      for (const one of [socket, upstream]) open.add(one.on('error', () => {}))
      upstream.pipe(socket)
      socket.on('data', (data) => {
        left--
        if (left > 0) upstream.write(data)
        else void cut()
      })
    })
    const credentials = password && `${username}:${password}@`
    return { url: `redis://${credentials}${await listening(server)}`, cut, isCut: () => isCut }
  }

  test.each([1, 2, 3, 5, 8, 12, 20])(
    'every command ends with a sentence when its connection closes after %i chunks',
    async (chunks) => {
      const { hash } = (await given(START)).record
      for (const args of [
        ['list'],
        ['show', hash],
        ['queues'],
        ['watch', hash],
        ['doctor'],
        ['cleanup', '--dry-run'],
      ]) {
        const proxy = await useCuttingProxy(chunks)
        const cli = useCli(proxy, { LOCAL_API_URL: NO_BOT })
        const run = cli.start(args)
        if (args[0] === 'watch') {
          // It shows a state once it follows the request; after the cut it waits for Redis until it is interrupted.
          await eventually(() => expect(proxy.isCut() || run.out() !== '').toBe(true))
          await proxy.cut()
          run.interrupt()
        }
        expectSentences(`${args.join(' ')} cut after ${chunks}`, await run.ended)
      }
    },
    60_000,
  )

  test.each([
    ['speaks HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['answers with invalid data', '\u0000\u001b[2Jnonsense\r\n'],
  ])(
    'a command ends with a sentence when the server %s',
    async (_what, answer) => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.on('data', () => void socket.write(answer))
      })
      const cli = useCli({ url: `redis://${await listening(server)}` }, { LOCAL_API_URL: NO_BOT })
      for (const command of ['list', 'doctor']) expectSentences(command, await cli.run(command))
    },
    20_000,
  )
})

describe('a bot', () => {
  test.each<[string, RequestListener]>([
    [
      'hangs up after its health',
      (req, res) => (req.url === '/health' ? res.end('{}') : req.socket.destroy()),
    ],
    [
      'answers 500',
      (req, res) => void res.writeHead(req.url === '/health' ? 200 : 500).end('Error:\n    at x'),
    ],
    ['answers null', (_req, res) => void res.end('null')],
    ['answers half of its JSON', (_req, res) => void res.end('{"services":[')],
    ['lists no names', (_req, res) => void res.end('{"services":[null,{"a":1},[],7]}')],
    ['redirects', (req, res) => void res.writeHead(302, { location: `http://${req.headers.host}/x` }).end()],
    ['lists its services in a record', (_req, res) => void res.end('{"services":{"a":1}}')],
  ])('doctor ends with a sentence when a bot %s', async (_what, answer) => {
    const LOCAL_API_URL = await useBot(answer)
    const run = await useCli({ url: 'redis://127.0.0.1:1' }, { LOCAL_API_URL }).run('doctor')
    expectSentences('doctor', run)
    expect(run.code).toBe(1)
  })
})
