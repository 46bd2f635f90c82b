/** The credit score bot against the demo portal, over real HTTP; only the updater is written by hand, to record. */
import type { Server } from 'node:http'
import { describe, expect, test, vi } from 'vitest'
import type { BotRequest } from '../../bots/inquiry-provider/bot-service.ts'
import { createHandler } from '../../bots/inquiry-provider/services/credit-score-rating/index.ts'
import { createPortalClient } from '../../bots/inquiry-provider/services/portal/portal-client.ts'
import { creditScoreRating } from '../../core/catalog/credit-score-rating.ts'
import { toLocalizedMessage } from '../../core/domain/message.ts'
import { createLog } from '../../core/runtime/log.ts'
import {
  healthOf,
  inboxOf,
  MOBILE,
  newestCode,
  otherThan,
  running,
  start,
  startPortal,
  stop,
} from './local-portal.ts'

const PERSON = { national_code: '0012345679', mobile: MOBILE }

/** A portal of which every page is this one. */
const startOther = (html: string, status = 200, headers: Record<string, string> = {}): Promise<string> =>
  start((_req, res) => res.writeHead(status, { 'content-type': 'text/html', ...headers }).end(html))

const codesOf = async (portal: string): Promise<string[]> => (await inboxOf(portal)).map(({ code }) => code)

type Report =
  | { progress: number; step: string; message: string }
  | { asked: Parameters<BotRequest['markAsOtpRequired']>[0] }
  | { rejected: string }

/** What a person does when asked for a code: answers, or has another one sent. */
type Person = (onResend: () => Promise<void>) => Promise<string>

/** The handler's input, recording what the bot reports. Codes are asked for three times, as by the real one. */
function recordRequest(person: Person, abort = new AbortController()) {
  const reports: Report[] = []
  let tries = 3
  const request: BotRequest = {
    hash: 'req_of-this-test',
    signal: abort.signal,
    log: createLog('bot', 'silent'),
    async updateProgress(progress, step = '', message = '') {
      reports.push({ progress, step, message: toLocalizedMessage(message).message })
    },
    async markAsOtpRequired(asked) {
      tries = 3
      reports.push({ asked })
    },
    waitForOtp: ({ onResend = async () => {} } = {}) => person(onResend),
    async rejectOtp(rejected = '') {
      reports.push({ rejected: toLocalizedMessage(rejected).message })
      return --tries > 0
    },
    parallel: () => Promise.reject(new Error('it should run no tasks')),
  }
  const progress = (): Extract<Report, { step: string }>[] => reports.filter((report) => 'step' in report)
  return {
    request,
    abort,
    reports,
    progress,
    messages: (): string[] => progress().map(({ message }) => message),
    asked: (): unknown[] => reports.flatMap((report) => ('asked' in report ? [report.asked] : [])),
    rejected: (): number => reports.filter((report) => 'rejected' in report).length,
  }
}

const readsTheInbox =
  (portal: string): Person =>
  () =>
    newestCode(portal)
const nobody: Person = () => Promise.reject(new Error('nobody should have been asked for a code'))
const run = (portal: string, request: BotRequest): Promise<unknown> =>
  createHandler({ demoPortalUrl: portal, linkCheckAllowPrivate: false })(PERSON, request)

const wrongCode = async (portal: string): Promise<string> => otherThan(await newestCode(portal))

describe('a run', () => {
  test('brings home the report, as flat JSON', async () => {
    const portal = await startPortal()
    const result = await run(portal, recordRequest(readsTheInbox(portal)).request)
    expect(result).toEqual({
      score: expect.any(Number),
      rating: expect.stringMatching(/^[A-E]$/),
      open_loans: expect.any(Number),
      bounced_cheques: expect.any(Number),
      reference_number: expect.stringMatching(/^DEMO-\d{8}$/),
      report_date: new Date().toISOString().slice(0, 10),
      full_name: expect.stringMatching(/^\w+ \w+$/),
    })
  })

  test('takes the steps of the catalogue in their order, with growing progress and words at each', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(readsTheInbox(portal))
    await run(portal, recorded.request)
    const steps = [...new Set(recorded.progress().map(({ step }) => step))]
    expect(steps).toEqual(creditScoreRating.steps.map(({ id }) => id))
    const percents = recorded.progress().map(({ progress }) => progress)
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    expect(recorded.messages().every((message) => message.length > 0)).toBe(true)
  })

  test('asks for a code of six digits, by the masked number only', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(readsTheInbox(portal))
    await run(portal, recorded.request)
    expect(recorded.asked()).toEqual([
      {
        length: 6,
        sent_to: '0912***6789',
        message: expect.stringContaining('0912***6789'),
        message_key: 'code_of_digits_sent',
        message_params: { digits: 6, sent_to: '0912***6789' },
        expires_in: 120,
      },
    ])
    const told = JSON.stringify(recorded.reports)
    for (const secret of [MOBILE, PERSON.national_code, ...(await codesOf(portal))])
      expect(told).not.toContain(secret)
  })
})

describe('the captcha', () => {
  test('is solved again when the portal turns it down, and the person is told', async () => {
    const chances = [0, 0.99]
    const portal = await startPortal({ random: () => chances.shift() as number })
    const recorded = recordRequest(readsTheInbox(portal))
    await run(portal, recorded.request)
    expect(recorded.messages()).toContain('The portal turned the captcha down, trying again (2 of 3)…')
  })

  test('is given up after the third time, for a later try', async () => {
    const portal = await startPortal({ random: () => 0 })
    const recorded = recordRequest(nobody)
    await expect(run(portal, recorded.request)).rejects.toMatchObject({
      code: 'captcha_failed',
      retryable: true,
    })
    expect(recorded.messages().at(-1)).toContain('(3 of 3)')
  })
})

describe('the code', () => {
  test('may be wrong once: the person is asked again and the right one goes through', async () => {
    const portal = await startPortal()
    let asked = 0
    const recorded = recordRequest(() =>
      asked++ === 0 ? wrongCode(portal) : readsTheInbox(portal)(nobody as never),
    )
    await expect(run(portal, recorded.request)).resolves.toHaveProperty('score')
    expect(recorded.rejected()).toBe(1)
    expect(recorded.asked()).toHaveLength(1)
  })

  test('wrong three times ends the run for good, at the portal and here alike', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(() => wrongCode(portal))
    const failure = { code: 'otp_attempts_exhausted', retryable: false }
    await expect(run(portal, recorded.request)).rejects.toMatchObject(failure)
    expect(recorded.rejected()).toBe(3)
  })

  test('is sent again by the portal when the person asks, and asked for anew', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(async (onResend) => {
      await onResend()
      return (await codesOf(portal))[0] as string
    })
    await expect(run(portal, recorded.request)).resolves.toHaveProperty('score')
    expect(await codesOf(portal)).toHaveLength(2)
    expect(recorded.asked()).toHaveLength(2)
  })

  test('that comes too late for the portal ends the run as expired', async () => {
    let clock = Date.now()
    const portal = await startPortal({ now: () => clock })
    const recorded = recordRequest(async () => {
      const [code] = await codesOf(portal)
      clock += 120_000
      return code as string
    })
    await expect(run(portal, recorded.request)).rejects.toMatchObject({
      code: 'otp_expired',
      retryable: false,
    })
  })
})

describe('a portal', () => {
  const unavailable = { code: 'portal_unavailable', retryable: true }
  const changed = { code: 'portal_changed', retryable: false }

  test('that is away may be back later', async () => {
    const portal = await startPortal()
    await stop(running.pop() as Server)
    await expect(run(portal, recordRequest(nobody).request)).rejects.toMatchObject(unavailable)
  })

  test('that is out of order may be in order later', async () => {
    const portal = await startOther('<h1>Sorry</h1>', 503)
    await expect(run(portal, recordRequest(nobody).request)).rejects.toMatchObject(unavailable)
  })

  test('that goes away while the person looks for the code may be back later', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(async () => {
      const [code] = await codesOf(portal)
      await stop(running.pop() as Server)
      return code as string
    })
    await expect(run(portal, recorded.request)).rejects.toMatchObject(unavailable)
  })

  test('that does not answer within the limit may do so later', async () => {
    const portal = await startPortal({ speed: 0.001 })
    const client = createPortalClient({
      baseUrl: portal,
      signal: new AbortController().signal,
      timeoutMs: 50,
    })
    await expect(client.open('/login')).rejects.toMatchObject(unavailable)
  })

  test('that refuses the person is not asked again', async () => {
    const portal = await startPortal()
    const handle = createHandler({ demoPortalUrl: portal, linkCheckAllowPrivate: false })
    const person = { ...PERSON, national_code: '0012345678' }
    const refused = { code: 'login_refused', retryable: false }
    await expect(handle(person, recordRequest(nobody).request)).rejects.toMatchObject(refused)
  })

  test.each([
    ['has no form to sign in', '<h1>Welcome to the new portal</h1>', {}],
    ['answers with something other than a page', '{}', { 'content-type': 'application/json' }],
    ['answers with a page without end', 'x'.repeat(600 * 1024), {}],
  ])('that %s is not tried again', async (_what, html, headers) => {
    const portal = await startOther(html, 200, headers)
    await expect(run(portal, recordRequest(nobody).request)).rejects.toMatchObject(changed)
  })

  test('that redirects in circles is not tried again', async () => {
    const portal = await startOther('', 303, { location: '/login' })
    await expect(run(portal, recordRequest(nobody).request)).rejects.toMatchObject(changed)
  })

  test('cannot lead the bot to another site with what the person gave', async () => {
    let visits = 0
    const elsewhere = await start((_req, res) => {
      visits++
      res.end()
    })
    const byForm = await startOther(`<form name="login" method="post" action="${elsewhere}/login"></form>`)
    await expect(run(byForm, recordRequest(nobody).request)).rejects.toMatchObject(changed)
    const byRedirect = await startOther('', 302, { location: elsewhere })
    await expect(run(byRedirect, recordRequest(nobody).request)).rejects.toMatchObject(changed)
    expect(visits).toBe(0)
  })
})

describe('an abort', () => {
  test('in the middle of a call ends the run with its reason, and the portal stops too', async () => {
    const portal = await startPortal({ speed: 0.001 })
    const { request, abort, reports } = recordRequest(nobody)
    const ended = run(portal, request).catch((error: unknown) => error)
    await vi.waitFor(async () => expect((await healthOf(portal)).waiting).toBe(1))
    const before = reports.length
    const reason = new Error('cancelled by the person')
    abort.abort(reason)
    expect(await ended).toBe(reason)
    await vi.waitFor(async () => expect((await healthOf(portal)).waiting).toBe(0))
    expect(reports).toHaveLength(before)
  })

  test('between two calls keeps the bot from making the next one', async () => {
    const portal = await startPortal()
    const { request, abort } = recordRequest(nobody)
    const reason = new Error('taken over')
    const report = request.updateProgress
    const aborting: BotRequest = {
      ...request,
      async updateProgress(progress, step, message) {
        if (step === 'sending_otp') abort.abort(reason)
        await report(progress, step, message)
      },
    }
    await expect(run(portal, aborting)).rejects.toBe(reason)
    expect(await codesOf(portal)).toEqual([])
  })
})
