/** Holding and limiting queues, closing services: in the operators' console. */
import { expect, test } from 'vitest'
import { createControlStore } from '../../../core/store/operator-controls.ts'
import { useConsole } from '../../helpers/console.ts'
import { useRedis } from '../../helpers/redis.ts'
import { CREDIT_SCORE } from '../../helpers/server.ts'
import { creditScoreRating, linkCheck } from '../../helpers/services.ts'

const redis = await useRedis()
const server = await useConsole(redis)
const { api, open, send, audit } = server
const cookie = await server.signIn()
const controls = createControlStore({ redis: await redis.connections.connect('patient') })
const PAGE = '/admin/queues'
const act = (action: string, fields: Record<string, string>) => send(PAGE, cookie, `/admin/${action}`, fields)

test('a queue is held with words that its form shows, and resumed', async () => {
  const queue = creditScoreRating.queue.name
  expect(await act('hold', { queue, message: 'Back at noon.' })).toMatchObject({
    status: 303,
    location: PAGE,
  })
  const held = await open(PAGE, cookie)
  expect(held(`section:has(#queue-${queue}) .notice`).text()).toMatch(/Held since [\s\S]+Back at noon\./)
  expect((await api.get(`/services/${creditScoreRating.slug}`)).text).toContain('Back at noon.')
  await act('resume', { queue })
  expect((await controls.read()).held.size).toBe(0)
  expect(audit().slice(-2)).toMatchObject([
    { who: 'token', action: 'hold', queue, outcome: 'done' },
    { who: 'token', action: 'resume', queue, outcome: 'done' },
  ])
})

test('limits are set and restored; an empty field is no limit', async () => {
  const queue = linkCheck.queue.name
  await act('limit', { queue, concurrency: '3', requests: '', seconds: '' })
  expect((await controls.read()).limits.get(queue)).toEqual({ concurrency: 3, rate: null })
  const page = await open(PAGE, cookie)
  expect(page(`#concurrency-${queue}`).val()).toBe('3')
  await act('limit', { queue, reset: '1' })
  expect((await controls.read()).limits.has(queue)).toBe(false)
})

test('a service is closed and opened', async () => {
  const { slug } = creditScoreRating
  await act('close', { service: slug, message: 'Back on Monday.' })
  await api.post('/api/local-requests').send(CREDIT_SCORE).expect(503)
  expect((await open(PAGE, cookie))(`li:has(#service-${slug}) .notice`).text()).toContain('Back on Monday.')
  await act('open', { service: slug })
  await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
})

test.each([
  ['hold', { queue: '<nowhere>' }, 404],
  ['close', { service: 'nothing' }, 404],
  ['limit', { queue: linkCheck.queue.name, concurrency: '0' }, 400],
  ['limit', { queue: linkCheck.queue.name, requests: '10' }, 400],
  ['limit', { queue: linkCheck.queue.name, concurrency: 'many' }, 400],
])(
  '%s with %j is refused, and the audit log repeats no text of the caller',
  async (action, fields, status) => {
    expect(await act(action, fields)).toMatchObject({ status })
    const last = audit().at(-1)
    expect(last).toMatchObject({ who: 'token', action, outcome: 'refused' })
    expect(JSON.stringify(last)).not.toContain('nowhere')
  },
)

test('without the token of the form nothing is held', async () => {
  const queue = creditScoreRating.queue.name
  await api.post('/admin/hold').set('Cookie', cookie).type('form').send({ queue }).expect(403)
  expect((await controls.read()).held.has(queue)).toBe(false)
})
