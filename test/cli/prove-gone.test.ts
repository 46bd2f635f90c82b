/** `prove-gone`: what is left of an expired request. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { useCli } from '../helpers/cli.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, START } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const redis = await useRedis()
const { client, given } = await useRequests(redis)
const cli = useCli(redis)

test('a request that can still be read is not gone', async () => {
  const { record } = await given(START)
  const { code, err } = await cli.run('prove-gone', record.hash)
  expect(code).toBe(1)
  expect(err).toContain('its record has not expired')
})

test('every trace of an expired request is named with its place, and none of another request', async () => {
  const [{ record }, other] = [await given(START), await given(START)]
  await client.del(keys.record(record.hash))
  await client.hset('other:hash', 'field', record.hash)
  await client.xadd('other:stream', '*', 'jobId', record.hash)
  const { code, out } = await cli.run('prove-gone', record.hash)
  expect(code).toBe(1)
  for (const place of [keys.list, keys.deadlines, 'other:hash', 'other:stream', keys.backup(record.hash)])
    expect(out).toContain(place)
  expect(out).not.toContain(other.record.hash)
  expect(out).toMatch(/\d+ traces of req_\S+ found\. Searched: \d+ keys;/)
})

test('nothing is found of a request without a trace', async () => {
  const { code, out } = await cli.run('prove-gone', aHash())
  expect(out).toMatch(/^Nothing of req_\S+ found\. Searched: \d+ keys; /)
  expect(code).toBe(0)
})

test.runIf(onRealRedis)(
  'the files of a Redis on this machine are searched (needs redis-server)',
  async () => {
    const hash = aHash()
    const [, folder = ''] = (await client.config('GET', 'dir')) as string[]
    writeFileSync(join(folder, 'dump.rdb'), `x${'y'.repeat(70_000)}${hash}z`)
    expect(await cli.json('prove-gone', hash)).toMatchObject({
      gone: false,
      found: [{ where: join(folder, 'dump.rdb') }],
    })
  },
)

test.runIf(onRealRedis)(
  'a file that cannot be read is named, and what was found before it (needs redis-server)',
  async () => {
    const hash = aHash()
    const [, folder = ''] = (await client.config('GET', 'dir')) as string[]
    const [, appendOnly = ''] = (await client.config('GET', 'appenddirname')) as string[]
    writeFileSync(join(folder, 'dump.rdb'), hash)
    mkdirSync(join(folder, appendOnly))
    symlinkSync(join(folder, 'removed'), join(folder, appendOnly, 'base.rdb'))
    const { code, out } = await cli.run('prove-gone', hash)
    expect(out).toContain(join(folder, 'dump.rdb'))
    expect(out).toMatch(/1 file of Redis, but not all: \S+base\.rdb was removed meanwhile: run this again/)
    expect(code).toBe(1)
    // Without a trace it is not proven either.
    writeFileSync(join(folder, 'dump.rdb'), '')
    expect(await cli.json('prove-gone', hash)).toMatchObject({ gone: false, found: [] })
    expect((await cli.run('prove-gone', hash)).code).toBe(1)
  },
)
