/** Bull-board below the console: behind the same door, read-only. */
import { expect, test } from 'vitest'
import { useConsole } from '../../helpers/console.ts'
import { useRedis } from '../../helpers/redis.ts'
import { creditScoreRating } from '../../helpers/services.ts'

const redis = await useRedis()
const server = await useConsole(redis)
const { api, queues } = server
const cookie = await server.signIn()
const RAW = '/admin/queues/raw'
const get = (path: string) => api.get(RAW + path).set('Cookie', cookie)

test('the raw queues are for those who are signed in', async () => {
  await api.get(RAW).set('Accept', 'text/html').expect(303)
  await api.get(`${RAW}/api/queues`).set('Accept', 'application/json').expect(401)
  const { text, headers } = await get('/').set('Accept', 'text/html').expect(200)
  expect(text).toContain(`<base href="${RAW}/"`)
  expect(headers['content-security-policy']).toContain("script-src 'self'; style-src 'self' 'unsafe-inline'")
  expect(headers['cache-control']).toBe('no-store')
})

test('the raw queues list the jobs of BullMQ, and change nothing', async () => {
  const { name } = creditScoreRating.queue
  await queues.probe('req_0000000000092031', creditScoreRating.queue)
  const { body } = await get('/api/queues').expect(200)
  const queue = body.queues.find((one: { name: string }) => one.name === name)
  expect(queue).toMatchObject({ readOnlyMode: true, counts: { waiting: 1 } })
  for (const call of [
    api.put(`${RAW}/api/queues/${name}/pause`),
    api.put(`${RAW}/api/queues/${name}/empty`),
    api.put(`${RAW}/api/queues/${name}/req_0000000000092031/clean`),
  ])
    expect((await call.set('Cookie', cookie)).status).toBe(404)
  expect(await queues.waiting(creditScoreRating.queue)).toBe(1)
})
