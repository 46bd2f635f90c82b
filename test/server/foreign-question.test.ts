/** A bot that has only a Redis client asks for a code, as docs/WRITE-A-BOT.md says. */

import { readFileSync } from 'node:fs'
import { load } from 'cheerio'
import { Redis } from 'ioredis'
import { afterAll, expect, test } from 'vitest'
import { shortReference } from '../../core/domain/short-reference.ts'
import { eventually } from '../helpers/eventually.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { collectLog, useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { log, lines: logged } = collectLog('warn')
const { api, given } = await useServer(testRedis, { log })

const { protocol, pathname } = new URL(testRedis.url)
const plain = protocol === 'unix:' ? new Redis(pathname) : new Redis(testRedis.url)
afterAll(() => plain.quit())

const document = readFileSync(new URL('../../docs/WRITE-A-BOT.md', import.meta.url), 'utf8')
const [, example = ''] = /```js\n(export async function askForCode[\s\S]*?)```/.exec(document) ?? []
const askForCode = new Function(`${example.replace('export ', '')}; return askForCode`)() as (
  redis: Redis,
  hash: string,
) => Promise<string>

test('the example of docs/API.md asks for a code with all its fields and takes the submitted code', async () => {
  const hash = await given([START])
  const code = askForCode(plain, hash)
  await eventually(async () => {
    const { body } = await api.get(`/api/local-requests/${hash}/status`).expect(200)
    expect(body).toMatchObject({
      status: 'otp_required',
      otp_data: {
        id: 'sms-1',
        length: 6,
        sent_to: '0912***4567',
        message: 'Type the code we sent you.',
        attempts_left: 3,
      },
    })
    const seconds = (Date.parse(body.otp_data.expires_at) - Date.parse(body.updated_at)) / 1000
    expect(seconds).toBeGreaterThan(80)
    expect(seconds).toBeLessThanOrEqual(91)
  })
  await api.post(`/api/local-requests/${hash}/otp`).send({ otp: '123456' }).expect(202)
  expect(await code).toBe('123456')
  expect(await plain.exists(`halfway:otp:{local_request:${hash}}`)).toBe(0)
})

test('an unknown step is logged once, without personal data, and shown on the page', async () => {
  const write = async (hash: string, change: object): Promise<void> => {
    const key = `local_request:${hash}`
    await plain.setex(key, 1800, JSON.stringify({ ...JSON.parse((await plain.get(key)) ?? ''), ...change }))
  }
  const hash = await given([START])
  const about = () =>
    logged.filter((line) => line.includes(shortReference(hash))).map((line) => JSON.parse(line))
  for (const step of ['checking ۰۹۱۲ 09123456789', 'another_step']) {
    await write(hash, { step, progress: 40 })
    const { text } = await api
      .get(`/services/test/progress/${hash}`)
      .set('Accept', 'text/html')
      .redirects(1)
      .expect(200)
    expect(load(text)('[data-live=otherStep]').text()).toBe(step)
  }
  expect(about()).toEqual([expect.objectContaining({ level: 40, service: 'test-service' })])
  expect(JSON.stringify(about())).not.toContain('0912')
})

test('integers beyond 2^53 in the result of another program keep all digits everywhere', async () => {
  const hash = await given([START])
  const key = `local_request:${hash}`
  const json = JSON.stringify({ ...JSON.parse((await plain.get(key)) ?? ''), status: 'completed' })
  const digits = '12345678901234567890'
  await plain.setex(
    key,
    1800,
    json.replace('"result_data":null', `"result_data":{"account":${digits},"count":3}`),
  )
  const { body } = await api.get(`/api/local-requests/${hash}/result`).expect(200)
  expect(body).toEqual({ account: digits, count: 3 })
  const page = await api
    .get(`/services/test/result/${hash}`)
    .set('Accept', 'text/html')
    .redirects(1)
    .expect(200)
  expect(load(page.text)('main').text()).toContain(digits)
})
