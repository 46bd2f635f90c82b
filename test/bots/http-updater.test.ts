/** The updater over Redis and over HTTP: the same calls have the same effects. */
import { afterAll, describe, expect, it } from 'vitest'
import { createUpdater, type EndReason, type Updater } from '../../bots/updater.ts'
import { commonMessage } from '../../core/domain/common-messages.ts'
import { DEVELOPMENT_TOKEN } from '../../core/runtime/config.ts'
import { createRequestFiles } from '../../core/store/request-files.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { eventually } from '../helpers/eventually.ts'
import { startHostileProxy } from '../helpers/hostile-proxy.ts'
import { aHash, aRecord, progressTo, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { startSingle } from '../helpers/redis-servers.ts'
import { useRequests } from '../helpers/requests.ts'
import { useServer } from '../helpers/server.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'

const CODE = '483920'
const redis = await useRedis()
const server = await useServer(redis)
const { client, store, given, applyCommand } = await useRequests(redis)
const files = createRequestFiles({ redis: client })
const overRedis = await createUpdater({ redis: redis.url, log: quiet })
const overHttp = await createUpdater({ url: `${server.address}/`, token: DEVELOPMENT_TOKEN, log: quiet })
afterAll(async () => {
  await overHttp.stop()
  await overRedis.stop()
})

const read = async (hash: string) => (await store.read(hash))?.record
const handOver = (hash: string) => applyCommand(hash, { type: 'submit_otp', otp: CODE })
/** The submitter requests another code when that is possible. */
const requestResend = async (hash: string): Promise<void> => {
  const later = createRequestStore({
    redis: client,
    ttlSeconds: TTL_SECONDS,
    now: () => Date.now() + 31_000,
  })
  expect(await later.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
}

describe.each([
  ['Redis', overRedis],
  ['HTTP', overHttp],
])('the updater over %s', (_way, updater: Updater) => {
  it('reports appear step by step, from sign-in to result', async () => {
    const { hash } = (await given(START)).record
    await updater.updateProgress(hash, 20, 'first', 'Signing in…')
    expect(await read(hash)).toMatchObject({ progress: 20, step: 'first', current_message: 'Signing in…' })
    await updater.markAsOtpRequired(hash, { length: 6, sent_to: '0912***4567', message: 'Type the code' })
    expect(await read(hash)).toMatchObject({
      status: 'otp_required',
      otp_data: { length: 6, sent_to: '0912***4567', message: 'Type the code' },
    })
    const waiting = updater.waitForOtp(hash)
    await handOver(hash)
    expect(await waiting).toBe(CODE)
    const reading = { message: 'Reading…', message_key: 'reading', message_params: { page: 2 } }
    await updater.updateProgress(hash, 90, 'third', reading, [
      { id: 'third', state: 'current', progress: 50 },
    ])
    expect(await read(hash)).toMatchObject({ message_key: 'reading', message_params: { page: 2 } })
    await updater.markAsCompleted(hash, { score: 712 })
    expect(await read(hash)).toMatchObject({ status: 'completed', result_data: { score: 712 } })
  })

  it.each([[undefined], [null], [0], [['a']], ['x'.repeat(200_000)]])(
    'the result %j is stored',
    async (result) => {
      const { hash } = (await given(START)).record
      await updater.markAsCompleted(hash, result)
      expect(await read(hash)).toMatchObject({ status: 'completed', result_data: result ?? null })
    },
  )

  it('a progress that is no number, and a message that is too long, are stored as far as possible', async () => {
    const { hash } = (await given(START)).record
    await updater.updateProgress(hash, 30)
    await updater.updateProgress(hash, Number.NaN, 'second', 'x'.repeat(5000))
    expect(await read(hash)).toMatchObject({
      progress: 30,
      step: 'second',
      current_message: 'x'.repeat(2000),
    })
  })

  it('markAsFailed stores code and message, and a common one for a blank message', async () => {
    const { hash } = (await given(START)).record
    await updater.markAsFailed(hash, 'The portal is closed', { code: 'portal_closed', retryable: true })
    expect((await read(hash))?.error_data).toEqual({
      code: 'portal_closed',
      message: 'The portal is closed',
      retryable: true,
    })
    const { hash: other } = (await given(START)).record
    await updater.markAsFailed(other, ' ')
    expect((await read(other))?.error_data).toEqual({
      code: 'failed',
      message: commonMessage('no_reason').message,
      retryable: false,
    })
  })

  it('rejectOtp asks again after a wrong code, and resolves with false after the last try', async () => {
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    const askedAgain: boolean[] = []
    for (let i = 0; i < 3; i++) {
      const waiting = updater.waitForOtp(hash)
      await handOver(hash)
      await waiting
      askedAgain.push(await updater.rejectOtp(hash, 'Wrong'))
    }
    expect(askedAgain).toEqual([true, true, false])
    expect(await read(hash)).toMatchObject({ error_data: { code: 'otp_attempts_exhausted' } })
  })

  it('addFile stores a file beside the record and resolves with what the result refers to it by', async () => {
    const { hash } = (await given(START)).record
    const statement = {
      name: 'گزارش "1".pdf',
      bytes: Buffer.from('%PDF-1.7 \u0000ÿ'),
      type: 'application/pdf',
    }
    const first = await updater.addFile(hash, statement)
    expect(first).toEqual({ name: statement.name, size: statement.bytes.length, id: '1.1' })
    const second = await updater.addFile(hash, { name: 'note.txt', bytes: 'متن' })
    expect(second).toEqual({ name: 'note.txt', size: 6, id: '1.2' })
    expect(await files.find(hash, '1.1')).toEqual(statement)
    expect(await files.find(hash, '1.2')).toMatchObject({ type: 'application/octet-stream' })
    await updater.markAsCompleted(hash, { statement: first })
    const { service_slug } = (await read(hash)) as { service_slug: string }
    const address = `/services/${service_slug}/result/${hash}/files/1.1`
    const { body } = await server.api.get(address).buffer(true).expect(200)
    expect(Buffer.compare(body, statement.bytes)).toBe(0)
  })

  it('addFile refuses an empty file, one over 5 MB, an invalid name, and the sixth file', async () => {
    const { hash } = (await given(START)).record
    const add = (name: string, bytes: string | Buffer) => updater.addFile(hash, { name, bytes })
    await expect(add('a/b', 'x')).rejects.toMatchObject({ code: 'validation_failed' })
    await expect(add('a', '')).rejects.toMatchObject({ code: 'validation_failed' })
    const tooLarge = add('a', Buffer.alloc(5 * 1024 * 1024 + 1))
    await expect(tooLarge).rejects.toMatchObject({ code: 'body_too_large' })
    for (const name of ['1', '2', '3', '4', '5']) await add(name, name)
    await expect(add('6', '6')).rejects.toMatchObject({ code: 'validation_failed' })
    expect(await files.find(hash, '1.5')).toMatchObject({ name: '5' })
  })

  it('a heartbeat is shown, and changes no version', async () => {
    const { version, hash } = (await given(START)).record
    expect(await store.lastHeartbeat(hash)).toBeNull()
    await updater.heartbeat(hash)
    expect(await store.lastHeartbeat(hash)).not.toBeNull()
    expect((await read(hash))?.version).toBe(version)
  })

  it('waitForOtp rejects with otp_expired when no code was typed in time', async () => {
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash, { expires_in: 0.2 })
    const waiting = updater.waitForOtp(hash)
    await expect(waiting).rejects.toMatchObject({ name: 'BotFailure', code: 'otp_expired' })
  })

  it('waitForOtp without onResend withdraws the offer of another code', async () => {
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    expect((await read(hash))?.otp_data?.resend_available_at).not.toBeNull()
    const waiting = updater.waitForOtp(hash)
    await eventually(async () => expect((await read(hash))?.otp_data?.resend_available_at).toBeNull())
    await handOver(hash)
    expect(await waiting).toBe(CODE)
  })

  it('onExpired is called once when the code has expired, and onResend once for each requested resend', async () => {
    const { hash } = (await given(START)).record
    const calls: string[] = []
    await updater.markAsOtpRequired(hash, { expires_in: 0.1 })
    const waiting = updater.waitForOtp(hash, {
      onExpired: async () => void calls.push('expired'),
      onResend: async () => {
        calls.push('resend')
        await updater.markAsOtpRequired(hash, { expires_in: 90 })
      },
    })
    await eventually(() => expect(calls).toEqual(['expired']))
    await requestResend(hash)
    await eventually(async () => expect((await read(hash))?.otp_data?.resend_requested).toBe(false))
    await handOver(hash)
    expect(await waiting).toBe(CODE)
    expect(calls).toEqual(['expired', 'resend'])
  })

  it('waitForOtp rejects with the reason of its signal, and leaves a later code to the next wait', async () => {
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    const reason = new Error('cancelled')
    await expect(updater.waitForOtp(hash, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const stop = new AbortController()
    const waiting = updater.waitForOtp(hash, { signal: stop.signal })
    await eventually(async () => expect((await read(hash))?.otp_data?.resend_available_at).toBeNull())
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await eventually(() => expect(server.watcher.size).toBe(0))
    await handOver(hash)
    expect(await updater.waitForOtp(hash)).toBe(CODE)
  })

  it('a wait for a code ends with the request', async () => {
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    const waiting = updater.waitForOtp(hash)
    const refused = expect(waiting).rejects.toMatchObject({ name: 'AppError', code: 'already_final' })
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    await refused
  })

  it('a late write is refused with its reason', async () => {
    const { hash } = (await given(START)).record
    await updater.updateProgress(hash, 10)
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    for (const late of [() => updater.updateProgress(hash, 50), () => updater.markAsCompleted(hash, 1)])
      await expect(late()).rejects.toMatchObject({ name: 'AppError', code: 'already_final' })
    expect(await read(hash)).toMatchObject({ status: 'cancelled', result_data: null })
  })

  it('a bot that writes before the request exists can report once it does', async () => {
    const record = aRecord()
    await expect(updater.updateProgress(record.hash, 10)).rejects.toMatchObject({ code: 'request_not_found' })
    expect(await updater.read(record.hash)).toBeNull()
    await store.create(record)
    await updater.updateProgress(record.hash, 20)
    expect(await updater.read(record.hash)).toMatchObject({ progress: 20, attempt: 0, status: 'processing' })
  })

  it.each([
    ['is over 256 kB', 'x'.repeat(300_000), 'result_too_large'],
    ['is over a megabyte', 'x'.repeat(2_000_000), 'result_too_large'],
    ['contains a BigInt', { amount: 1n }, 'bot_bad_answer'],
    ['is a function', () => 1, 'bot_bad_answer'],
    ['is nested too deep', JSON.parse('['.repeat(9999) + ']'.repeat(9999)), 'result_too_large'],
  ])('a result that %s fails the request with its code', async (_why, result, code) => {
    const { hash } = (await given(START)).record
    await expect(updater.markAsCompleted(hash, result)).rejects.toMatchObject({ code })
    expect(await read(hash)).toMatchObject({ status: 'failed', error_data: { code, retryable: false } })
  })

  it('writes of an attempt that was taken over are refused, and those of its successor are accepted', async () => {
    const { hash } = (await given(START)).record
    await updater.updateProgress(hash, 10)
    let attempt = 1
    const bound = updater.bind(hash, () => attempt)
    await bound.updateProgress(20)
    await applyCommand(hash, { type: 'start', attempt: 2 })
    for (const late of [
      () => updater.updateProgress(hash, 30),
      () => bound.updateProgress(30),
      () => bound.markAsOtpRequired(),
      () => bound.markAsCompleted(1),
      () => bound.markAsFailed('Closed'),
      () => bound.heartbeat(),
      () => bound.addFile({ name: 'late.txt', bytes: 'late' }),
    ])
      await expect(late()).rejects.toMatchObject({ code: 'stale_attempt' })
    attempt = 2
    await bound.updateProgress(40)
    expect(await read(hash)).toMatchObject({ status: 'processing', progress: 40, attempt: 2 })
  })
})

describe.each([
  ['Redis', overRedis],
  ['HTTP', overHttp],
])('onEnd over %s', (_way, updater: Updater) => {
  const endOf = (hash: string, attempt = () => 1): Promise<EndReason> =>
    new Promise((resolve, reject) => updater.onEnd(hash, attempt, resolve).catch(reject))

  it('reports a cancel', async () => {
    const { hash } = (await given(START)).record
    const end = endOf(hash)
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    expect(await end).toBe('already_final')
  })

  it('reports a take-over, and neither the start of its own attempt nor one that continues it', async () => {
    const { hash } = (await given()).record
    let attempt = 1
    const end = endOf(hash, () => attempt)
    await applyCommand(hash, START)
    await applyCommand(hash, progressTo(10))
    attempt = 2
    await applyCommand(hash, { type: 'start', attempt: 2 })
    await applyCommand(hash, { type: 'progress', attempt: 2, progress: 20 })
    expect(await Promise.race([end, 'nothing'])).toBe('nothing')
    await applyCommand(hash, { type: 'start', attempt: 3 })
    expect(await end).toBe('stale_attempt')
  })

  it('reports the expiry of the request', async () => {
    const record = aRecord({ ttlSeconds: 0.3 })
    await store.create(record)
    expect(await endOf(record.hash)).toBe('request_expired')
  })

  it('reports immediately that a request is already final, and rejects for one that does not exist', async () => {
    const { hash } = (await given(START, { type: 'cancel', by: 'user' })).record
    expect(await endOf(hash)).toBe('already_final')
    expect(await endOf(hash, () => Number.POSITIVE_INFINITY)).toBe('already_final')
    await expect(endOf(aHash())).rejects.toMatchObject({ code: 'request_not_found' })
  })

  it('calls back no more once it is no longer watched', async () => {
    const { hash } = (await given(START)).record
    const reasons: EndReason[] = []
    const unwatch = await updater.onEnd(hash, () => 1, (reason) => void reasons.push(reason)) // biome-ignore format: one call
    unwatch()
    const other = endOf(hash)
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    await other
    expect(reasons).toEqual([])
  })
})

describe('the updater over HTTP while the server is away', () => {
  it('progress is dropped, everything else is repeated until the server answers', async () => {
    const proxy = await startHostileProxy(server.address)
    const updater = await createUpdater({ url: proxy.address, token: DEVELOPMENT_TOKEN, log: quiet })
    const [asking, completing, failing] = await Promise.all(
      [1, 2, 3].map(async () => (await given(START)).record.hash),
    )
    for (const hash of [asking, completing, failing] as string[]) await updater.updateProgress(hash, 1)
    for (const treatment of ['busy', 'refuse', 'stopped'] as const) {
      if (treatment === 'stopped') await proxy.stop()
      else proxy.setTreatments({ poll: treatment })
      await updater.updateProgress(asking as string, 50)
    }
    const writes = [
      updater.markAsOtpRequired(asking as string, { length: 6 }),
      updater.markAsCompleted(completing as string, { order: 17 }),
      updater.markAsFailed(failing as string, 'It is closed.', { code: 'closed' }),
    ]
    await proxy.restart()
    const before = proxy.requests.length
    await eventually(() => expect(proxy.requests.length).toBeGreaterThan(before + 2))
    proxy.setTreatments({ poll: 'pass' })
    await Promise.all(writes)
    expect(await read(asking as string)).toMatchObject({ status: 'otp_required', progress: 1 })
    expect(await read(completing as string)).toMatchObject({ result_data: { order: 17 } })
    expect(await read(failing as string)).toMatchObject({ error_data: { code: 'closed' } })
    await updater.stop()
  })

  it.each([
    ['completed', (updater: Updater, hash: string) => updater.markAsCompleted(hash, 17), undefined],
    ['failed', (updater: Updater, hash: string) => updater.markAsFailed(hash, 'Closed'), undefined],
    ['otp_required', (updater: Updater, hash: string) => updater.rejectOtp(hash), true],
  ] as const)('a report whose answer was lost counts once: %s', async (status, write, answer) => {
    const { hostname, port } = new URL(server.address)
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) })
    const url = `http://${proxy.host}:${proxy.port}`
    const updater = await createUpdater({ url, token: DEVELOPMENT_TOKEN, log: quiet })
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    await handOver(hash)
    const { version } = (await read(hash)) as { version: number }
    const before = proxy.connections
    proxy.breakAfter(1, 'responses')
    expect(await write(updater, hash)).toBe(answer)
    expect(proxy.connections).toBeGreaterThan(before)
    expect(await read(hash)).toMatchObject({ status, version: version + 1 })
    await updater.stop()
  })

  it('a watch and a wait for a code survive a restart of the server', async () => {
    const proxy = await startHostileProxy(server.address)
    const updater = await createUpdater({ url: proxy.address, token: DEVELOPMENT_TOKEN, log: quiet })
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    const reasons: EndReason[] = []
    await updater.onEnd(hash, () => 1, (reason) => void reasons.push(reason)) // biome-ignore format: one call
    const waiting = updater.waitForOtp(hash)
    await eventually(() => expect(proxy.openRequests()).toHaveLength(2))
    await proxy.stop()
    await eventually(() => expect(server.watcher.size).toBe(0))
    await proxy.restart()
    await handOver(hash)
    expect(await waiting).toBe(CODE)
    await updater.markAsCompleted(hash, 1)
    await eventually(() => expect(reasons).toEqual(['already_final']))
    await updater.stop()
  })

  it('stop ends what is open', async () => {
    const updater = await createUpdater({ url: server.address, token: DEVELOPMENT_TOKEN, log: quiet })
    const { hash } = (await given(START)).record
    await updater.markAsOtpRequired(hash)
    const waiting = updater.waitForOtp(hash).catch((error: Error) => error.message)
    await updater.onEnd(hash, () => 1, () => {}) // biome-ignore format: one call
    await eventually(() => expect(server.watcher.size).toBe(1))
    await updater.stop()
    expect(await waiting).toContain('stopped')
    await expect(updater.markAsCompleted(hash, 1)).rejects.toThrow('stopped')
    await eventually(() => expect(server.watcher.size).toBe(0))
  })

  it('an invalid token is refused at once', async () => {
    const updater = await createUpdater({ url: server.address, token: 'not-a-token-at-all', log: quiet })
    const { hash } = (await given(START)).record
    await expect(updater.markAsCompleted(hash, 1)).rejects.toMatchObject({ code: 'unauthorized' })
    await updater.stop()
  })

  it.runIf(onRealRedis)('reports are repeated while Redis refuses writes', async () => {
    const single = await startSingle()
    const url = single.settings.REDIS_URL as string
    const other = await useServer({ ...redis, url })
    const updater = await createUpdater({ url: other.address, token: DEVELOPMENT_TOKEN, log: quiet })
    const hash = await other.given([START])
    await updater.updateProgress(hash, 10)
    await single.run('CONFIG', 'SET', 'min-replicas-to-write', 1)
    await updater.updateProgress(hash, 50)
    const writing = updater.markAsCompleted(hash, { order: 17 })
    await eventually(async () =>
      expect(String(await single.run('INFO', 'errorstats'))).toMatch(/NOREPLICAS:count=(?:[3-9]|\d\d)/),
    )
    await single.run('CONFIG', 'SET', 'min-replicas-to-write', 0)
    await writing
    expect(await updater.read(hash)).toMatchObject({ status: 'completed', result_data: { order: 17 } })
    await updater.stop()
  })
})
