/** A bot that has only a Redis client asks for a code, as docs/API.md says. */
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterAll, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { api, given } = await useServer(testRedis)

const { protocol, pathname } = new URL(testRedis.url)
const plain = protocol === 'unix:' ? new Redis(pathname) : new Redis(testRedis.url)
afterAll(() => plain.quit())

const document = readFileSync(new URL('../../docs/API.md', import.meta.url), 'utf8')
const [, example = ''] = /```js\n(export async function askForCode[\s\S]*?)```/.exec(document) ?? []
const askForCode = new Function(`${example.replace('export ', '')}; return askForCode`)() as (
  redis: Redis,
  hash: string,
) => Promise<string>

test('the example of the document asks for a code with all that it says, and takes out what was typed', async () => {
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
  expect(await plain.exists(`local_request:otp:{local_request:${hash}}`)).toBe(0)
})
