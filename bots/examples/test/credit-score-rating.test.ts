/** The credit score bot against the demo portal, over real HTTP; only the updater is a recording stub. */
import type { Server } from 'node:http'
import { describe, expect, test, vi } from 'vitest'
import type { WaitForOtpOptions } from '../../../core/actions/otp-mailbox.ts'
import { type LocalizedMessage, toLocalizedMessage } from '../../../core/domain/message.ts'
import { createLog } from '../../../core/runtime/log.ts'
import { createAsk } from '../../ask.ts'
import type { BotRequest } from '../../bot-server/define-service.ts'
import { definition } from '../credit-score-rating/definition.ts'
import { createService } from '../credit-score-rating/index.ts'
import { createPortalClient } from '../portal/portal-client.ts'
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

/** A portal that answers every request with this page. */
const startOther = (html: string, status = 200, headers: Record<string, string> = {}): Promise<string> =>
  start((_req, res) => res.writeHead(status, { 'content-type': 'text/html', ...headers }).end(html))

const codesOf = async (portal: string): Promise<string[]> => (await inboxOf(portal)).map(({ code }) => code)

type Report =
  | { progress: number; step: string; message: string }
  | { asked: Parameters<BotRequest['markAsOtpRequired']>[0] }
  | { rejected: string }

/** What a submitter does when asked for a code: types it, or requests a resend. */
type Person = (onResend: () => Promise<void>) => Promise<string>

/** The handler's input, which records reports. A code may be typed three times, as with the real one. */
function recordRequest(person: Person, abort = new AbortController()) {
  const reports: Report[] = []
  let tries = 3
  const asking = {
    async updateProgress(progress: number, step = '', message: string | LocalizedMessage = '') {
      reports.push({ progress, step, message: toLocalizedMessage(message).message })
    },
    async markAsOtpRequired(asked: Parameters<BotRequest['markAsOtpRequired']>[0]) {
      tries = 3
      reports.push({ asked })
    },
    waitForOtp: ({ onResend = async () => {} }: WaitForOtpOptions = {}) => person(onResend),
    async rejectOtp(rejected: string | LocalizedMessage = '') {
      reports.push({ rejected: toLocalizedMessage(rejected).message })
      return --tries > 0
    },
  }
  const request: BotRequest = {
    ...asking,
    ...createAsk(asking),
    heartbeat: async () => {},
    addFile: () => Promise.reject(new Error('it should store no file')),
    hash: 'req_of-this-test',
    attempt: 1,
    signal: abort.signal,
    log: createLog('bot', 'silent'),
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
const noSubmitter: Person = () => Promise.reject(new Error('the submitter should not be asked for a code'))
const run = (portal: string, request: BotRequest): Promise<unknown> =>
  createService({ portalUrl: portal }).handle(PERSON, request)

const wrongCode = async (portal: string): Promise<string> => otherThan(await newestCode(portal))

describe('the credit score bot', () => {
  test('the bot resolves with the report as flat JSON', async () => {
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

  test('the steps are reported in the order of the catalogue, with growing progress and a message each', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(readsTheInbox(portal))
    await run(portal, recorded.request)
    const steps = [...new Set(recorded.progress().map(({ step }) => step))]
    expect(steps).toEqual(definition.steps.map(({ id }) => id))
    const percents = recorded.progress().map(({ progress }) => progress)
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    expect(recorded.messages().every((message) => message.length > 0)).toBe(true)
  })

  test('the bot asks for a code of six digits and shows only the masked number', async () => {
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
    const messages = JSON.stringify(recorded.reports)
    for (const secret of [MOBILE, PERSON.national_code, ...(await codesOf(portal))])
      expect(messages).not.toContain(secret)
  })
})

describe('the credit score bot: the captcha', () => {
  test('a rejected captcha is solved again, and a message says so', async () => {
    const chances = [0, 0.99]
    const portal = await startPortal({ random: () => chances.shift() as number })
    const recorded = recordRequest(readsTheInbox(portal))
    await run(portal, recorded.request)
    expect(recorded.messages()).toContain('The portal turned the captcha down, trying again (2 of 3)…')
  })

  test('three rejected captchas are a retryable failure', async () => {
    const portal = await startPortal({ random: () => 0 })
    const recorded = recordRequest(noSubmitter)
    await expect(run(portal, recorded.request)).rejects.toMatchObject({
      code: 'captcha_failed',
      retryable: true,
    })
    expect(recorded.messages().at(-1)).toContain('(3 of 3)')
  })
})

describe('the credit score bot: the code', () => {
  test('the right code is accepted after a wrong one, for which the submitter is asked again', async () => {
    const portal = await startPortal()
    let asked = 0
    const recorded = recordRequest(() =>
      asked++ === 0 ? wrongCode(portal) : readsTheInbox(portal)(noSubmitter as never),
    )
    await expect(run(portal, recorded.request)).resolves.toHaveProperty('score')
    expect(recorded.rejected()).toBe(1)
    expect(recorded.asked()).toHaveLength(1)
  })

  test('three wrong codes end the run and the portal session with a final failure', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(() => wrongCode(portal))
    const failure = { code: 'otp_attempts_exhausted', retryable: false }
    await expect(run(portal, recorded.request)).rejects.toMatchObject(failure)
    expect(recorded.rejected()).toBe(3)
  })

  test('a requested resend has the portal send another code and asks for it', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(async (onResend) => {
      await onResend()
      return (await codesOf(portal))[0] as string
    })
    await expect(run(portal, recorded.request)).resolves.toHaveProperty('score')
    expect(await codesOf(portal)).toHaveLength(2)
    expect(recorded.asked()).toHaveLength(2)
  })

  test('an expired code fails the run with otp_expired', async () => {
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

describe('the credit score bot: portal failures', () => {
  const unavailable = { code: 'portal_unavailable', retryable: true }
  const changed = { code: 'portal_changed', retryable: false }

  test('an unreachable portal is a retryable failure', async () => {
    const portal = await startPortal()
    await stop(running.pop() as Server)
    await expect(run(portal, recordRequest(noSubmitter).request)).rejects.toMatchObject(unavailable)
  })

  test('a portal that answers 500 is a retryable failure', async () => {
    const portal = await startOther('<h1>Sorry</h1>', 503)
    await expect(run(portal, recordRequest(noSubmitter).request)).rejects.toMatchObject(unavailable)
  })

  test('a portal that becomes unreachable before the code arrives is a retryable failure', async () => {
    const portal = await startPortal()
    const recorded = recordRequest(async () => {
      const [code] = await codesOf(portal)
      await stop(running.pop() as Server)
      return code as string
    })
    await expect(run(portal, recorded.request)).rejects.toMatchObject(unavailable)
  })

  test('a portal that exceeds the timeout is a retryable failure', async () => {
    const portal = await startPortal({ speed: 0.001 })
    const client = createPortalClient({
      baseUrl: portal,
      signal: new AbortController().signal,
      timeoutMs: 50,
    })
    await expect(client.open('/login')).rejects.toMatchObject(unavailable)
  })

  test('a refused sign-in is a final failure', async () => {
    const portal = await startPortal()
    const { handle } = createService({ portalUrl: portal })
    const person = { ...PERSON, national_code: '0012345678' }
    const refused = { code: 'login_refused', retryable: false }
    await expect(handle(person, recordRequest(noSubmitter).request)).rejects.toMatchObject(refused)
  })

  test.each([
    ['has no form to sign in', '<h1>Welcome to the new portal</h1>', {}],
    ['answers with something other than a page', '{}', { 'content-type': 'application/json' }],
    ['answers with a page that is too long', 'x'.repeat(600 * 1024), {}],
  ])('a portal that %s is a final failure', async (_what, html, headers) => {
    const portal = await startOther(html, 200, headers)
    await expect(run(portal, recordRequest(noSubmitter).request)).rejects.toMatchObject(changed)
  })

  test('a portal that redirects in circles is a final failure', async () => {
    const portal = await startOther('', 303, { location: '/login' })
    await expect(run(portal, recordRequest(noSubmitter).request)).rejects.toMatchObject(changed)
  })

  test('a redirect to another origin is refused, so that no form data is sent there', async () => {
    let visits = 0
    const elsewhere = await start((_req, res) => {
      visits++
      res.end()
    })
    const byForm = await startOther(`<form name="login" method="post" action="${elsewhere}/login"></form>`)
    await expect(run(byForm, recordRequest(noSubmitter).request)).rejects.toMatchObject(changed)
    const byRedirect = await startOther('', 302, { location: elsewhere })
    await expect(run(byRedirect, recordRequest(noSubmitter).request)).rejects.toMatchObject(changed)
    expect(visits).toBe(0)
  })
})

describe('the credit score bot: abort', () => {
  test('an abort during a request ends the run with its reason, and the portal stops its delay', async () => {
    const portal = await startPortal({ speed: 0.001 })
    const { request, abort, reports } = recordRequest(noSubmitter)
    const ended = run(portal, request).catch((error: unknown) => error)
    await vi.waitFor(async () => expect((await healthOf(portal)).waiting).toBe(1))
    const before = reports.length
    const reason = new Error('cancelled by the person')
    abort.abort(reason)
    expect(await ended).toBe(reason)
    await vi.waitFor(async () => expect((await healthOf(portal)).waiting).toBe(0))
    expect(reports).toHaveLength(before)
  })

  test('an abort between two requests prevents the next one', async () => {
    const portal = await startPortal()
    const { request, abort } = recordRequest(noSubmitter)
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
