/** What is typed into a field of type `secret`: only the bot reads it, and it is deleted with the end of the work. */
import { describe, expect, test } from 'vitest'
import { createCatalog, queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createSecretBox } from '../../core/runtime/secret-box.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { createRequestWorker } from '../../workers/request-worker.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { useRequests } from '../helpers/requests.ts'
import { collectLog, useServer } from '../helpers/server.ts'
import { toService } from '../helpers/services.ts'
import { failure, later, success, useForeignBot } from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

const SECRET = 'hunter2-is-no-password'
const service = toService({
  slug: 'with-secret',
  title: 'With a secret',
  tries: 1,
  fields: [
    { name: 'user', type: 'text', label: 'User' },
    { name: 'password', type: 'secret', label: 'Password' },
  ],
})
const catalog = createCatalog([service])
const redis = await useRedis()
const { client, store, watcher, otpMailbox } = await useRequests(redis)
const { log, lines } = collectLog()
const { api } = await useServer(redis, { services: catalog, settings: { LOCAL_API_TOKEN: TOKEN }, log })
const bot = await useForeignBot()

function startWorker(token = TOKEN): void {
  const queues = createQueues({ redis: client, log, queueList: () => queuesOf(catalog) })
  const calls = createBotClient()
  const worker = createRequestWorker({
    queue: service.queue,
    queues,
    redis: client,
    store,
    watcher,
    otpMailbox,
    deadlineIndex: createDeadlineIndex({ redis: client }),
    subjectLimiter: createSubjectLimiter({
      redis: client,
      limits: { codesPerHour: 5, wrongCodesPerHour: 10 },
    }),
    bot: calls,
    bots: onlyBot(bot.url),
    secretBox: createSecretBox(token),
    runTimes: createRunTimes({ redis: client }),
    catalog,
    concurrency: 1,
    timeoutSeconds: 30,
    drainMs: 0,
    log,
    now: Date.now,
  })
  cleanUp(async () => {
    await worker.stop()
    await calls.stop()
    await queues.stop()
  })
}
async function submit(more = {}): Promise<string> {
  const request_data = { user: 'ann', password: SECRET }
  const { body } = await api
    .post('/api/local-requests')
    .send({ service_slug: service.slug, request_data, ...more })
    .expect(202)
  return body.hash
}
const recordOf = async (hash: string) => (await store.read(hash))?.record

describe('a secret', () => {
  test('a secret is sealed in Redis and in no log, reaches the bot, and is deleted with the end of the work', async () => {
    const hash = await submit()
    const sealed = (await recordOf(hash))?.request_data.password
    expect(sealed).toEqual({ sealed: expect.stringMatching(/^[\w-]{60,}$/) })
    const answer = later()
    bot.replies(hash, answer.reply)
    startWorker()
    expect((await bot.call(hash)).body).toEqual({ user: 'ann', password: SECRET, requestHash: hash })
    expect(await redisContents(client)).not.toContain(SECRET)
    answer.answer(success('done'))
    await eventually(async () => expect(await recordOf(hash)).toMatchObject({ status: 'completed' }))
    expect((await recordOf(hash))?.request_data).toEqual({ user: 'ann' })
    expect(lines.join('\n')).not.toContain(SECRET)
  })

  test('a secret is deleted when the request fails or is cancelled', async () => {
    const failing = await submit()
    bot.replies(failing, failure('no'))
    await eventually(async () => expect(await recordOf(failing)).toMatchObject({ status: 'failed' }))
    expect((await recordOf(failing))?.request_data).toEqual({ user: 'ann' })
    // Scheduled, so that the worker does not take it before.
    const cancelled = await submit({ delay: 60 })
    await api.post(`/api/local-requests/${cancelled}/cancel`).expect(200)
    expect((await recordOf(cancelled))?.request_data).toEqual({ user: 'ann' })
  })
})

test('two seals of one text differ, and one that was changed or sealed with another key is not opened', () => {
  const box = createSecretBox(TOKEN)
  const [first, second] = [box.seal(SECRET), box.seal(SECRET)]
  expect(first.sealed).not.toBe(second.sealed)
  expect(box.open(first)).toBe(SECRET)
  expect(createSecretBox('another-token-of-the-tests').open(first)).toBeNull()
  expect(box.open({ sealed: first.sealed.slice(0, -2) })).toBeNull()
  expect(box.open({ sealed: '' })).toBeNull()
})
