/**
 * Another program stores values in Redis that are no text, no JSON, of the wrong type or far too large. Every call still
 * answers, the processes keep running, and the next own write repairs the record.
 */
import { io } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import { decodeRecord } from '../../core/records/codec.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { useCli } from '../helpers/cli.ts'
import { keys } from '../helpers/keys.ts'
import { progressTo, START, TOO_LONG } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const redis = await useRedis()
const server = await useServer(redis)
const client = await redis.connections.connect('patient')
const cli = useCli(redis)

/** More Redis commands than one case needs, and far fewer than a retry loop sends in a second. */
const MAX_COMMANDS = 600

/** 'سلام' in Windows-1256. */
const WINDOWS_1256 = Buffer.from([0xd3, 0xe1, 0xc7, 0xe3])
const LATIN_1 = Buffer.from('Größe', 'latin1')

type Fields = Record<string, unknown>
/** Overwrites a record as a foreign program does. */
type Write = (key: string, fields: Fields) => Promise<unknown>

const setTo =
  (value: string | Buffer): Write =>
  (key) =>
    client.setex(key, 1800, value)
/** The record as JSON with these bytes as its message. */
const withMessage =
  (bytes: Buffer): Write =>
  (key, fields) => {
    const [before = '', after = ''] = JSON.stringify({ ...fields, current_message: 'MESSAGE' }).split(
      'MESSAGE',
    )
    return client.setex(key, 1800, Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)]))
  }
const withJson =
  (change: (json: string) => string): Write =>
  (key, fields) =>
    client.setex(key, 1800, change(JSON.stringify({ ...fields, current_message: 'Theirs' })))
const withField = (json: string): Write => withJson((record) => `${record.slice(0, -1)},${json}}`)
/** Deletes the record and creates a value of another type. */
const instead =
  (make: (key: string) => Promise<unknown>): Write =>
  async (key) => {
    await client.del(key)
    await make(key)
  }

/** Values that are readable as a record, with the expected message. */
const READABLE: [name: string, Write, message: string][] = [
  ['Windows-1256', withMessage(WINDOWS_1256), '\ufffd\ufffd\ufffd\ufffd'],
  ['Latin-1', withMessage(LATIN_1), 'Gr\ufffd\ufffde'],
  ['a zero byte', withMessage(Buffer.from('\\u0000a')), '\u0000a'],
  ['UTF-8 with a byte order mark', withJson((json) => `\ufeff${json}`), 'Theirs'],
  ['an escaped lone surrogate', withMessage(Buffer.from('\\ud800!')), '\ud800!'],
  ['an encoded lone surrogate', withMessage(Buffer.from([0xed, 0xa0, 0x80])), '\ufffd\ufffd\ufffd'],
  ['a replacement character of its own', withMessage(Buffer.from('\ufffd')), '\ufffd'],
  ['duplicate keys', withField('"progress":35,"progress":40'), 'Theirs'],
  ['__proto__', withField('"__proto__":{"status":"completed"}'), 'Theirs'],
  ['numbers like 1e400', withField('"progress":1e400,"version":1e400,"estimated_duration":-1e400'), 'Theirs'],
]

/** Values that are no record: the last valid state is shown. */
const INVALID: [name: string, Write][] = [
  ['an empty string', setTo('')],
  ['bytes that are no text', setTo(Buffer.from([0xff, 0xfe, 0x00, 0x80]))],
  ['UTF-16', setTo(Buffer.from('\ufeff{"status":"processing"}', 'utf16le'))],
  ['NaN', withField('"progress":NaN')],
  ['text that is too long', setTo(JSON.stringify({ status: 'processing', result_data: TOO_LONG }))],
  ['bytes that are too long', setTo(Buffer.alloc(TOO_LONG.length, 0xe3))],
  ['JSON 5,000 deep', withField(`"result_data":${'['.repeat(5000)}${']'.repeat(5000)}`)],
  ['a list', instead((key) => client.rpush(key, 'x'))],
  ['a hash', instead((key) => client.hset(key, 'status', 'processing'))],
  ['a set', instead((key) => client.sadd(key, 'x'))],
  ['a sorted set', instead((key) => client.zadd(key, 1, 'x'))],
  ...(onRealRedis
    ? ([
        ['a stream', instead((key) => client.xadd(key, '*', 'a', 'b'))],
        ['a bitmap', instead((key) => client.setbit(key, 100_000, 1))],
      ] as [string, Write][])
    : []),
]

/** Every way to read a request; each returns version and message. */
const READERS: Record<
  string,
  (hash: string) => Promise<{ version: number; current_message: string | null }>
> = {
  status: async (hash) => (await server.api.get(`/api/local-requests/${hash}/status`).expect(200)).body,
  'event stream': async (hash) => {
    const response = await fetch(`${server.address}/api/local-requests/${hash}/events`)
    let text = ''
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString()
      const data = /^data: (.*)$/m.exec(text)?.[1]
      if (data !== undefined) return JSON.parse(data)
    }
    throw new Error('the stream ended')
  },
  socket: async (hash) => {
    const socket = io(server.address, { transports: ['websocket'], forceNew: true, reconnection: false })
    const answer = (await socket.timeout(3000).emitWithAck('request:watch', { hash })) as WatchResponse
    socket.disconnect()
    if (!answer.ok) throw new Error(answer.problem.code)
    return answer.data
  },
}

const page = (hash: string) =>
  server.api.get(`/services/credit-score-rating/progress/${hash}`).set('Accept', 'text/html')

async function aRunning(): Promise<{ hash: string; fields: Fields }> {
  const hash = await server.given([START, progressTo(30, 'Good')], { service_slug: 'credit-score-rating' })
  // The server has it cached before it is overwritten.
  await server.api.get(`/api/local-requests/${hash}/status`).expect(200)
  return { hash, fields: JSON.parse((await client.get(keys.record(hash))) as string) }
}

/** The number of Redis commands during `work`, without PING. */
async function commandsOf(work: () => Promise<unknown>): Promise<number> {
  if (!onRealRedis) {
    await work()
    return 0
  }
  await client.config('RESETSTAT')
  await work()
  const stats = await client.info('commandstats')
  return [...stats.matchAll(/cmdstat_(\w+).*?:calls=(\d+)/g)]
    .filter(([, name]) => name !== 'ping')
    .reduce((sum, [, , calls]) => sum + Number(calls), 0)
}

const isOwnRecord = async (hash: string): Promise<boolean> =>
  decodeRecord((await client.get(keys.record(hash))) ?? '') !== null

/** Reads in every way, writes and cancels; returns the messages that were shown before the write. */
async function readAndAct(hash: string) {
  const shown: Record<string, unknown> = {}
  for (const [way, look] of Object.entries(READERS)) shown[way] = (await look(hash)).current_message
  expect((await page(hash)).status).toBe(200)
  await server.apply(hash, progressTo(50, 'Mended'))
  expect(await isOwnRecord(hash)).toBe(true)
  const repaired = await READERS.status?.(hash)
  expect(repaired?.current_message).toBe('Mended')
  const cancelled = await server.api.post(`/api/local-requests/${hash}/cancel`)
  expect([cancelled.status, cancelled.body.status]).toEqual([200, 'cancelled'])
  return shown
}

const byEveryReader = (message: string) =>
  Object.fromEntries(Object.keys(READERS).map((way) => [way, message]))

describe('a record that another program has written', () => {
  it.each(READABLE)(
    'a foreign record with %s is shown in status, event stream and socket, and repaired',
    async (_name, write, message) => {
      const { hash, fields } = await aRunning()
      let shown: Record<string, unknown> = {}
      const commands = await commandsOf(async () => {
        await write(keys.record(hash), fields)
        await client.publish(keys.channel(hash), (await client.getBuffer(keys.record(hash))) as Buffer)
        const listed = await cli.run('list')
        expect(listed).toMatchObject({ code: 0 })
        expect(listed.out).toContain(hash)
        expect(await cli.run('show', hash)).toMatchObject({ code: 0 })
        shown = await readAndAct(hash)
      })
      expect(shown).toEqual(byEveryReader(message))
      expect(commands).toBeLessThan(MAX_COMMANDS)
    },
  )

  it.each(INVALID)(
    'a record overwritten with %s shows its last valid state and is repaired by the next write',
    { timeout: 30_000 },
    async (_name, write) => {
      const { hash, fields } = await aRunning()
      let shown: Record<string, unknown> = {}
      const commands = await commandsOf(async () => {
        await write(keys.record(hash), fields)
        await client.publish(keys.channel(hash), '{}')
        // A process without a cached state reports the record and goes on with the others.
        expect(await cli.run('list')).toMatchObject({ code: 0 })
        expect((await cli.run('show', hash)).err).not.toBe('')
        shown = await readAndAct(hash)
      })
      expect(shown).toEqual(byEveryReader('Good'))
      expect(commands).toBeLessThan(MAX_COMMANDS)
    },
  )

  it("a record stored under another request's key is never written to its own key", async () => {
    const [one, other] = [await aRunning(), await aRunning()]
    const raw = (await client.get(keys.record(one.hash))) as string
    await client.setex(keys.record(other.hash), 1800, raw)
    await server.apply(other.hash, progressTo(60, 'Of the other'))
    expect((await READERS.status?.(other.hash))?.current_message).toBe('Of the other')
    expect(await client.get(keys.record(one.hash))).toBe(raw)
  })
})

describe('the rate limit counter of an address', () => {
  it('a rate limit counter that another program replaced by a list restarts at one', async () => {
    const address = '203.0.113.7'
    const submit = () =>
      server.api.post('/api/local-requests').set('X-Forwarded-For', address).send(CREDIT_SCORE)
    const earlier = await client.keys('*rate:submit:*')
    expect((await submit()).status).toBe(202)
    const [key] = (await client.keys('*rate:submit:*')).filter((name) => !earlier.includes(name))
    await client.del(key as string)
    await client.rpush(key as string, 'x')
    expect((await submit()).status).toBe(202)
    expect(await client.get(key as string)).toBe('1')
  })
})
