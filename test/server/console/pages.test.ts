/** What the pages of the operators' console show, and what operators do there. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { shortReference } from '../../../core/domain/short-reference.ts'
import { createFailedRequests } from '../../../core/store/failed-requests.ts'
import { createRunTimes } from '../../../core/store/run-times.ts'
import { createServiceRegistry } from '../../../core/store/service-registry.ts'
import { ADMIN_TOKEN, useConsole } from '../../helpers/console.ts'
import { START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { creditScoreRating } from '../../helpers/services.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const server = await useConsole(redis, { ADMIN_TOKEN, MAX_UNFINISHED_PER_QUEUE: '10000' })
const { open, send, given, store, audit, api } = server
const cookie = await server.signIn()

const SERVICE = { service_slug: 'credit-score-rating', queue: creditScoreRating.queue.name }
const fail = (code: string): Command => ({
  type: 'fail',
  attempt: 1,
  error: { code, message: 'HTTP 418', retryable: false },
})
/** The references in the list at this address. */
const listed = async (query: string): Promise<string[]> => {
  const $ = await open(`/admin/requests${query}`, cookie)
  return $('td a')
    .map((_, link) => $(link).text())
    .get()
}

describe('the Now page', () => {
  test('the Now page says whether people are served, and names the command that checks more', async () => {
    const $ = await open('/admin', cookie)
    expect($('.served').attr('data-served')).toBe('no')
    expect($('.served-words').text()).toBe('People are not being served.')
    expect($('.served li').text()).toContain('no worker takes jobs from')
    expect($('.served code').text()).toBe('npm run cli -- doctor')
  })

  test('the Now page counts ends of the last hour, and failures by code', async () => {
    await given([START, { type: 'complete', attempt: 1, result: 1 }], SERVICE)
    const ended = await given([START], SERVICE)
    await server.apply(ended, fail('timed_out'))
    const cancelled = await given([START], SERVICE)
    await server.apply(cancelled, { type: 'cancel', by: 'user' })
    const $ = await open('/admin', cookie)
    const count = (kind: string): number => Number($(`dt.end-${kind} + dd`).text())
    expect(count('failed')).toBeGreaterThan(0)
    expect(count('cancelled')).toBeGreaterThan(0)
    expect($('svg .end-failed').length).toBe(1)
    const [, meaning, number] = $('a[href="/admin/failed?code=timed_out"]').closest('tr').find('td').get()
    expect($(meaning).text()).toBe('The service did not answer in time.')
    expect(Number($(number).text())).toBe(1)
  })

  test('an end is counted once, and not again when the request is kept longer', async () => {
    const hash = await given([START], SERVICE)
    await client.del(...(await client.keys('halfway:ends:*')))
    await server.apply(hash, { type: 'cancel', by: 'user' })
    await server.apply(hash, { type: 'keep' })
    const [key = ''] = await client.keys('halfway:ends:*')
    expect(await client.hgetall(key)).toEqual({ 'credit-score-rating cancelled': '1' })
    expect(await client.ttl(key)).toBeGreaterThan(7000)
  })

  test('the Now page shows how long requests and their steps take', async () => {
    const runTimes = createRunTimes({ redis: client })
    const at = (seconds: number): string => new Date(seconds * 1000).toISOString()
    for (let i = 1; i <= 20; i++)
      await runTimes.add(
        creditScoreRating,
        {
          attempt: 1,
          started_at: at(0),
          completed_at: at(10 * i),
          steps: creditScoreRating.steps.map(({ id }) => ({
            id, state: 'done', started_at: at(i), finished_at: null,
          })), // biome-ignore format: a table
        },
        undefined,
      )
    const $ = await open('/admin', cookie)
    const [, half, most] = $('#durations tbody tr').first().find('td').get()
    expect([$(half).text(), $(most).text()]).toEqual(['1 min 40 s', '3 min 10 s'])
    expect($('svg.range rect').length).toBeGreaterThan(1)
  })

  test('the Now page lists bots and workers with their last word', async () => {
    const registry = createServiceRegistry({ redis: client })
    const bot = { address: 'http://127.0.0.1:9123', concurrency: 7 }
    const definition = {
      slug: 'parcels',
      title: 'Parcels',
      description: 'Asks the carrier.',
      fields: [],
      steps: [{ id: 'one', title: 'One' }],
    }
    await registry.announce({ definition, owner: 'default', bot })
    const $ = await open('/admin', cookie)
    const row = $('#bots tbody tr').text()
    expect(row).toContain('http://127.0.0.1:9123')
    expect(row).toMatch(/0 of 7.*\d+ s ago/s)
    expect($('#workers .bad').first().text()).toBe('no word')
  })
})

describe('the list of requests', () => {
  test('the list filters by service, state, code, age and reference', async () => {
    const [running, failed, old] = [
      await given([START], SERVICE),
      await given([START, fail('portal_closed')], SERVICE),
      await given([], { service_slug: 'link-check', now: Date.now() - 700_000 }),
    ].map(shortReference)
    expect(await listed('')).toEqual(expect.arrayContaining([running, failed, old]))
    expect(await listed('?code=portal_closed')).toEqual([failed])
    expect(await listed('?service=link-check')).toEqual([old])
    expect(await listed('?older=600')).toEqual([old])
    expect(await listed('?state=processing')).toContain(running)
    expect(await listed('?state=processing')).not.toContain(failed)
    expect(await listed(`?reference=${running?.toLowerCase()}`)).toEqual([running])
    expect(await listed('?reference=nonsense')).toEqual([])
  })

  test('a request shows its state, bot, attempts, job and timeline', async () => {
    const hash = await given([{ ...START, bot: 'http://10.0.0.7:9999' } as Command], SERVICE)
    const $ = await open(`/admin/requests/${shortReference(hash)}`, cookie)
    expect($('h1').text()).toBe(`Request ${shortReference(hash)}`)
    expect($('.lead').text()).toBe('Running')
    expect($('.facts').text()).toContain('http://10.0.0.7:9999')
    expect($('.facts').text()).toMatch(/Attempt1 of \d/)
    expect($('.facts').text()).toContain('Job in the queueunknown')
    expect($('.timeline-entry').length).toBeGreaterThan(0)
    expect($('details form').attr('action')).toBe('/admin/cancel')
  })

  test('a console in Persian is right to left', async () => {
    const $ = await open('/admin/requests?lang=fa', cookie)
    expect($('html').attr('dir')).toBe('rtl')
    expect($('h1').text()).toBe('درخواست‌ها')
  })
})

describe('cancelling', () => {
  test('a cancel gives the person the reason, and is written to the audit log without it', async () => {
    const hash = await given([START], SERVICE)
    const reference = shortReference(hash)
    const address = `/admin/requests/${reference}`
    const reason = 'The bureau is closed today.'
    const answer = await send(address, cookie, '/admin/cancel', { request: reference, reason })
    expect(answer).toMatchObject({ status: 303, location: address })
    expect((await store.read(hash))?.record).toMatchObject({
      cancelled_by: 'operator',
      cancel_reason: reason,
    })
    const page = await api.get(`/services/credit-score-rating/result/${hash}`).set('Accept', 'text/html')
    expect(page.text).toContain(`Cancelled by the service: ${reason}`)
    const { body } = await api.get(`/api/local-requests/${hash}/status`)
    expect(body.cancel_reason).toBe(reason)
    expect((await open(address, cookie))('.facts').text()).toContain(reason)
    const line = audit().at(-1)
    expect(line).toMatchObject({ who: 'token', action: 'cancel', request: reference, outcome: 'done' })
    expect(JSON.stringify(line)).not.toContain(hash)
    expect(JSON.stringify(line)).not.toContain(reason)
  })

  test('a cancel of several says how many were done, and which were refused and why', async () => {
    const [first, second] = [await given([START], SERVICE), await given([], SERVICE)]
    const over = await given([START, fail('timed_out')], SERVICE)
    const request = [first, second, over].map(shortReference)
    const { text } = await send('/admin/requests', cookie, '/admin/cancel', {
      request: [...request, 'ZZZZZZZZ'],
    })
    expect(text).toContain('2 requests were cancelled.')
    expect(text).toContain('2 were refused:')
    expect(text).toMatch(new RegExp(`${request[2]}</bdi>: [^<]+`))
    expect(text).toContain('There is no such request any more.')
    expect(audit().slice(-4).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['done', undefined], ['done', undefined], ['refused', 'already_final'], ['refused', 'not_found'],
    ]) // biome-ignore format: a table
  })

  test('a call acts on at most a hundred requests', async () => {
    const request = Array.from({ length: 101 }, (_, i) => String(i).padStart(8, '0'))
    expect((await send('/admin/requests', cookie, '/admin/cancel', { request })).status).toBe(400)
    const none = await send('/admin/requests', cookie, '/admin/cancel', {})
    expect(none.text).toContain('No request was chosen.')
  })
})

describe('failed requests', () => {
  test('failed requests are sent again one by one, or all that still can be', async () => {
    const failures = createFailedRequests({ redis: client })
    const hashes = await Promise.all([1, 2, 3].map(() => given([START], SERVICE)))
    for (const hash of hashes) await server.apply(hash, fail('bureau_closed'))
    const [one = '', ...others] = hashes
    const address = '/admin/failed?code=bureau_closed'
    const $ = await open(address, cookie)
    expect($('a[href="/admin/failed?code=bureau_closed"]').closest('tr').find('td').last().text()).toBe('3')
    expect($('[name="request"]').length).toBe(3)

    const first = await send(address, cookie, '/admin/send-again', { request: shortReference(one) })
    expect(first.text).toContain('One request was sent again.')
    const retry = (await failures.find(one))?.retried_as ?? ''
    expect((await store.read(retry))?.record).toMatchObject({ retry_of: one, status: 'pending' })
    expect(first.text).toContain(shortReference(retry))

    const rest = await send(address, cookie, '/admin/send-again', { all: 'yes', code: 'bureau_closed' })
    expect(rest.text).toContain('2 requests were sent again.')
    for (const hash of others) expect((await failures.find(hash))?.retried_as).toBeTruthy()
    expect(audit().slice(-3)).toEqual(
      hashes.map(() => expect.objectContaining({ action: 'send_again', outcome: 'done' })),
    )
    const again = await send(address, cookie, '/admin/send-again', { request: shortReference(one) })
    expect(again.text).toContain('It has been sent again already.')
  })

  test('all that still can be are sent again while half of the places are free; the page says how many stay and why', async () => {
    const queue = client.names.unfinished(`queue:${SERVICE.queue}`)
    const until = Date.now() + 600_000
    const taken = Array.from({ length: 4_999 }, (_, i) => [until, `of-others-${i}`]).flat()
    const hashes = await Promise.all([1, 2, 3].map(() => given([START], SERVICE)))
    for (const hash of hashes) await server.apply(hash, fail('bureau_away'))
    await client.del(queue)
    await client.zadd(queue, ...taken)
    const failed = '/admin/failed?code=bureau_away'
    const fields = { all: 'yes', code: 'bureau_away' }
    const { text } = await send(failed, cookie, '/admin/send-again', fields)
    expect(text).toContain('One request was sent again.')
    expect(text).toContain('2 stay in the list: half of the places')
    const persian = await send(`${failed}&lang=fa`, cookie, '/admin/send-again?lang=fa', fields)
    expect(persian.text).toContain('۲ مورد در فهرست می‌ماند')
    expect((await open(failed, cookie))('[name="request"]').length).toBe(2)
    await client.del(queue)
    expect((await send(failed, cookie, '/admin/send-again', fields)).text).toContain(
      '2 requests were sent again.',
    )
  })

  test('a failed request shows the class and place of the error behind it, in the list too', async () => {
    const hash = await given([START], SERVICE)
    const cause = { name: 'TypeError', message: "reading 'score'", at: 'workers/run-attempt.ts:98' }
    const error = { code: 'internal_error', message: 'It failed.', retryable: true, cause }
    await server.apply(hash, { type: 'fail', attempt: 1, error })
    const shown = "TypeError: reading 'score' (workers/run-attempt.ts:98)"
    expect((await open(`/admin/requests/${shortReference(hash)}`, cookie))('.facts').text()).toContain(shown)
    expect((await open('/admin/failed', cookie))(`#row-${shortReference(hash)}`).text()).toContain(shown)
    await client.del(`local_request:${hash}`)
    expect((await open(`/admin/requests/${shortReference(hash)}`, cookie))('.facts').text()).toContain(shown)
  })

  test('a failed request that is deleted still shows its code', async () => {
    const hash = await given([START], SERVICE)
    await server.apply(hash, fail('bureau_gone'))
    await client.del(`local_request:${hash}`)
    const $ = await open(`/admin/requests/${shortReference(hash)}`, cookie)
    expect($('main').text()).toContain('The request itself is deleted.')
    expect($('.facts').text()).toContain('bureau_gone')
    const answer = await send('/admin/failed', cookie, '/admin/send-again', { request: shortReference(hash) })
    expect(answer.text).toContain('What the person sent is deleted.')
  })
})

test('the queues page shows each queue with its services and numbers', async () => {
  const $ = await open('/admin/queues', cookie)
  const panel = $(`#queue-${creditScoreRating.queue.name}`).closest('section')
  expect(panel.text()).toContain('Credit score')
  expect(panel.find('dt').first().text()).toBe('Waiting')
})
