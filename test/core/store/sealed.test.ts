/** DATA_KEY: what stands in Redis, who can read it, and how a key is introduced, changed and missed. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encodeRecord } from '../../../core/records/codec.ts'
import { openRedis } from '../../../core/redis/connect.ts'
import { openInstallationSecret } from '../../../core/redis/installation-secret.ts'
import { createDataBox, NO_KEY } from '../../../core/runtime/data-box.ts'
import { createRequestFiles } from '../../../core/store/request-files.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { keys } from '../../helpers/keys.ts'
import { aRecord, PRIVATE, progressTo, START } from '../../helpers/record.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'
import { redisContents } from '../../helpers/redis-contents.ts'
import { useRequests } from '../../helpers/requests.ts'

const SECRET = 'what-the-portal-answered'
const redis = await useRedis()
const [key, newKey] = [randomBytes(32), randomBytes(32)]

/** The parts of a process with these keys, whose keys in Redis have the prefix. */
async function processWith(keyPrefix: string, ...dataKeys: Buffer[]) {
  const connections = await openRedis(redis.target, quiet, { dataKeys, keyPrefix })
  cleanUp(() => connections.stop())
  return { connections, ...(await useRequests({ ...redis, connections })) }
}

const sealed = await processWith('', key)
const { client, store, given, applyCommand, otpMailbox } = sealed
const rawOf = async (hash: string): Promise<string> => (await client.get(keys.record(hash))) ?? ''

describe('with DATA_KEY', () => {
  test('what was typed and the result are sealed in Redis and read by every process with the key', async () => {
    const { record } = await given(START, { type: 'complete', attempt: 1, result: { text: SECRET } })
    expect(record.request_data).toMatchObject({ national_code: PRIVATE.request })
    const contents = await redisContents(client)
    expect(contents).toContain(record.hash)
    for (const secret of [PRIVATE.request, SECRET]) expect(contents).not.toContain(secret)
    const other = await processWith('', key)
    expect((await other.store.read(record.hash))?.record).toEqual(record)
  })

  test('a write that changes neither of them seals nothing again', async () => {
    const { record } = await given(START)
    const { request_data: before } = JSON.parse(await rawOf(record.hash))
    expect(before).toEqual({ sealed: expect.stringMatching(/^hw1\./) })
    await applyCommand(record.hash, { type: 'progress', attempt: 1, progress: 30 })
    expect(JSON.parse(await rawOf(record.hash))).toMatchObject({ progress: 30, request_data: before })
  })

  test('a published result is sealed, and opened for those who watch', async () => {
    const { record } = await given(START)
    const messages: string[] = []
    const plain = await redis.connections.connect('subscriber').catch(() => null)
    expect(plain).not.toBeNull()
    await plain?.subscribe(keys.channel(record.hash))
    plain?.on('message', (_channel, message: string) => messages.push(message))
    const watched = await new Promise((resolve) => {
      const onUpdate = ({ view, json }: { view: { result_data: unknown }; json: string }): void =>
        resolve({ view: view.result_data, json: JSON.parse(json).result_data })
      void sealed.watcher
        .watch(record.hash, { onUpdate, onExpired: () => {} })
        .then(() => applyCommand(record.hash, { type: 'complete', attempt: 1, result: SECRET }))
    })
    expect(watched).toEqual({ view: SECRET, json: SECRET })
    await expect.poll(() => messages.length).toBe(1)
    expect(messages[0]).toContain('"result_data":{"sealed":"hw1.')
  })

  test('a code is sealed on its way to the bot, which gets it once', async () => {
    const { record } = await given(START, { type: 'require_otp', attempt: 1, otp: { id: 'otp-1' } })
    await applyCommand(record.hash, { type: 'submit_otp', otp: '918273', tryId: 'try' })
    expect(await redisContents(client)).not.toContain('918273')
    expect(await otpMailbox.take(record.hash)).toBe('918273')
    expect(await otpMailbox.take(record.hash)).toBeNull()
  })

  test('a file of a result is sealed with its name', async () => {
    const { record } = await given(START)
    const files = createRequestFiles({ redis: client })
    const { id } = await files.add(record, { name: 'statement-of-ann.txt', bytes: SECRET })
    const contents = await redisContents(client)
    for (const secret of ['statement-of-ann', SECRET]) expect(contents).not.toContain(secret)
    expect(await files.find(record.hash, id)).toMatchObject({
      name: 'statement-of-ann.txt',
      bytes: Buffer.from(SECRET),
    })
  })

  test('a plain result of another program is read, and sealed with the next write', async () => {
    const { record } = await given(START)
    await sealed.foreignWrite(record.hash, { status: 'completed', result_data: { text: SECRET } })
    expect((await store.read(record.hash))?.record.result_data).toEqual({ text: SECRET })
    expect(await rawOf(record.hash)).not.toContain(SECRET)
  })

  test('another program that writes the sealed data back changes nothing of it', async () => {
    const { record } = await given(START)
    await sealed.foreignWrite(record.hash, { progress: 40 })
    expect((await store.read(record.hash))?.record).toMatchObject({
      progress: 40,
      request_data: record.request_data,
    })
  })

  test('sealed data that was copied to another request does not open', async () => {
    const [from, to] = [await given(START), await given(START)]
    const { request_data } = JSON.parse(await rawOf(from.record.hash))
    const copied = { ...JSON.parse(await rawOf(to.record.hash)), request_data }
    await client.set(keys.record(to.record.hash), encodeRecord(copied))
    const other = await processWith('', key)
    expect((await other.store.read(to.record.hash))?.record.request_data).toEqual(request_data)
  })
})

describe('the keys of an installation', () => {
  test('a process without the key, or with another one, does not start', async () => {
    const without = openRedis(redis.target, quiet).then(({ connect }) => connect('patient'))
    await expect(without).rejects.toThrow('the data of this installation is sealed: set its DATA_KEY')
    await expect(processWith('', newKey)).rejects.toThrow('DATA_KEY is not the key of this installation')
  })

  test('a key is changed by naming the new one first, and the old one is dropped after that', async () => {
    const old = await processWith('changed:', key)
    const { record } = await old.given(START)
    const both = await processWith('changed:', newKey, key)
    expect((await both.store.read(record.hash))?.record.request_data).toEqual(record.request_data)
    const { record: newer } = await both.given(START)
    const only = await processWith('changed:', newKey)
    expect((await only.store.read(newer.hash))?.record.request_data).toEqual(newer.request_data)
  })

  test('an installation that gets a key reads what was stored before, and keeps its secret', async () => {
    const before = await processWith('introduced:')
    const { record } = await before.given(START)
    const secret = await openInstallationSecret(before.client)
    cleanUp(() => secret.stop())
    const after = await processWith('introduced:', key)
    expect((await after.store.read(record.hash))?.record).toEqual(record)
    const same = await openInstallationSecret(after.client)
    cleanUp(() => same.stop())
    expect(same.digest('purpose', 'text')).toBe(secret.digest('purpose', 'text'))
    expect(await after.client.get(after.client.names.secret)).toMatch(/^hw1\./)
  })

  test('a key is introduced while processes without it run, and given up in the same way', async () => {
    const without = await processWith('gradual:')
    const reading = await processWith('gradual:', NO_KEY, key)
    const { record } = await reading.given(START)
    const { hash, request_data } = record
    expect((await without.store.read(hash))?.record.request_data).toEqual(request_data)

    const sealing = await processWith('gradual:', key)
    const { record: sealed } = await sealing.given(START)
    expect(await sealing.client.get(sealing.client.names.record(sealed.hash))).not.toContain(SECRET)
    expect((await reading.store.read(sealed.hash))?.record.request_data).toEqual(sealed.request_data)
    await expect(processWith('gradual:')).rejects.toThrow('the data of this installation is sealed')

    const givingUp = await processWith('gradual:', NO_KEY, key)
    const secret = await openInstallationSecret(givingUp.client)
    cleanUp(() => secret.stop())
    await givingUp.applyCommand(sealed.hash, progressTo(60))
    const after = await processWith('gradual:')
    expect((await after.store.read(sealed.hash))?.record.request_data).toEqual(sealed.request_data)
    const same = await openInstallationSecret(after.client)
    cleanUp(() => same.stop())
    expect(same.digest('purpose', 'text')).toBe(secret.digest('purpose', 'text'))
  })

  test('a process without the key, which is being replaced, goes on with the secret that it has', async () => {
    const before = await processWith('replaced:')
    const secret = await openInstallationSecret(before.client, { everyMs: 5 })
    cleanUp(() => secret.stop())
    const digest = secret.digest('purpose', 'text')
    const after = await processWith('replaced:', key)
    const sealedSecret = await openInstallationSecret(after.client)
    cleanUp(() => sealedSecret.stop())
    before.client.emit('ready')
    await before.client.ping()
    expect(secret.digest('purpose', 'text')).toBe(digest)
  })
})

describe('a box', () => {
  const box = createDataBox([key])

  test('two seals of one text differ, and open only in their context', () => {
    const [one, two] = [box.seal('a', SECRET), box.seal('a', SECRET)]
    expect(one).not.toBe(two)
    expect(box.open('a', one)).toBe(SECRET)
    expect(box.open('b', one)).toBeNull()
  })

  test('what has changed does not open, and what was never sealed stays as it is', () => {
    const text = box.seal('a', SECRET)
    for (const changed of [
      text.slice(0, -2),
      `${text.slice(0, -1)}${text.endsWith('A') ? 'Q' : 'A'}`,
      'hw1.',
      'hw1.x',
    ])
      expect(box.open('a', changed)).toBeNull()
    expect(box.open('a', 'plain')).toBe('plain')
    expect(box.openBytes('a', Buffer.from('plain'))).toEqual(Buffer.from('plain'))
    expect(box.openBytes('a', box.sealBytes('a', Buffer.from(SECRET)))).toEqual(Buffer.from(SECRET))
  })

  test('a record of a hash without data to hide stays readable', async () => {
    const record = aRecord({ request_data: {} })
    await store.create(record)
    expect(JSON.parse(await rawOf(record.hash)).request_data).toEqual({})
  })
})
