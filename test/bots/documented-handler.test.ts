/** The handler that docs/ADD-A-SERVICE.md shows, word for word, against a stand-in for its carrier. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { load } from 'cheerio'
import { transformSync } from 'esbuild'
import { afterAll, expect, test } from 'vitest'
import { BotFailure } from '../../bots/bot-failure.ts'
import { type BotService, defineService, type Handle } from '../../bots/bot-server/define-service.ts'
import { messageBuilder } from '../../bots/bot-server/messages.ts'
import { createRunRegistry } from '../../bots/bot-server/run-registry.ts'
import { createUpdater } from '../../bots/updater.ts'
import { commonMessage } from '../../core/domain/common-messages.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { definition } from '../../docs/examples/parcel-pickup/definition.ts'
import { documentedFiles } from '../docs/blocks.ts'
import { eventually } from '../helpers/eventually.ts'
import { noTasks } from '../helpers/no-tasks.ts'
import { START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { useServer } from '../helpers/server.ts'

/** Requests to the carrier: path and body. */
const carrierRequests: { path: string; body: Record<string, string> }[] = []
const carrier = createServer(async (req, res) => {
  const body = JSON.parse(await text(req))
  carrierRequests.push({ path: req.url ?? '', body })
  const isWrong = req.url === '/pickups' && body.code !== '222222'
  res.statusCode = isWrong ? 403 : 200
  res.end(JSON.stringify({ parcels: 3 }))
})
await new Promise<void>((resolve) => carrier.listen(0, '127.0.0.1', resolve))
afterAll(() => void carrier.close())
const carrierUrl = `http://127.0.0.1:${(carrier.address() as AddressInfo).port}`

const redis = await useRedis()
const { client, given } = await useRequests(redis)
const { api } = await useServer(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })

/** The handler of a file that the document shows, with the names that it imports. */
function handlerOf(path: string): Handle {
  const source =
    documentedFiles()
      .get(path)
      ?.replace(/^import .*$/gm, '') ?? ''
  const { code } = transformSync(source.replace('https://carrier.example', carrierUrl), {
    loader: 'ts',
    format: 'cjs',
  })
  const names = { definition, defineService, messageBuilder, commonMessage, BotFailure }
  const module: { exports: { parcelPickup?: BotService } } = { exports: {} }
  new Function('module', 'exports', ...Object.keys(names), code)(
    module,
    module.exports,
    ...Object.values(names),
  )
  return (module.exports.parcelPickup as BotService).handle
}

const withoutResend: Handle = async (_data, request) => {
  await request.markAsOtpRequired({ length: 6 })
  return request.waitForOtp()
}
const handlers = new Map([
  ['documented', handlerOf('parcel-pickup/index.ts')],
  ['without-resend', withoutResend],
])
const runs = createRunRegistry({ updater, handlers, concurrency: noTasks, log: quiet })
afterAll(async () => {
  await runs.stop()
  await updater.stop()
})

async function started(slug: string) {
  const { hash } = (await given(START)).record
  const caller = new AbortController().signal
  const answer = runs.run({ slug, hash, attempt: 1, data: { mobile: '09123456789' }, caller })
  const prompt = async () => (await api.get(`/api/local-requests/${hash}/status`)).body.otp_data
  const typed = (otp: string) => api.post(`/api/local-requests/${hash}/otp`).send({ otp }).expect(202)
  return { hash, answer, prompt, typed }
}

test('the handler of docs/ADD-A-SERVICE.md asks for a code, has another one sent, and asks again after a wrong one', async () => {
  const { hash, answer, prompt, typed } = await started('documented')
  const first = await eventually(async () => {
    const asking = await prompt()
    expect(asking).toMatchObject({ length: 6, message_key: 'code_sent', attempts_left: 3 })
    return asking
  })
  expect(first.resend_available_at).toMatch(/Z$/)
  expect(carrierRequests).toEqual([{ path: '/codes', body: { mobile: '09123456789' } }])

  const halfAMinuteLater = createRequestStore({
    redis: client,
    ttlSeconds: TTL_SECONDS,
    now: () => Date.now() + 31_000,
  })
  expect(await halfAMinuteLater.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
  await eventually(async () => expect((await prompt())?.id).not.toBe(first.id))
  expect(carrierRequests.map(({ path }) => path)).toEqual(['/codes', '/codes'])

  await typed('111111')
  await eventually(async () => expect(await prompt()).toMatchObject({ attempts_left: 2 }))
  await typed('222222')
  expect(await answer).toMatchObject({ status: 'success', data: { parcels: 3 } })
})

test('a handler without resend offers none: the page has no button and the API answers 409', async () => {
  const { hash, answer, prompt } = await started('without-resend')
  await eventually(async () => expect(await prompt()).toMatchObject({ resend_available_at: null }))
  const { body } = await api.post(`/api/local-requests/${hash}/resend-otp`).expect(409)
  expect(body).toMatchObject({ code: 'resend_not_offered', retryable: false })
  const page = await api.get(`/services/test/otp/${hash}`).set('Accept', 'text/html').redirects(1).expect(200)
  expect(load(page.text)('form.resend').attr('hidden')).toBeDefined()
  await api.post(`/api/local-requests/${hash}/cancel`).expect(200)
  await answer
})
