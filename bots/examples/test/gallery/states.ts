/** The states that the gallery shows, as commands of the example services with the times of real requests. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  parseService,
  type Service,
  type ServiceDefinition,
} from '../../../../core/catalog/service-definition.ts'
import type { Command } from '../../../../core/domain/command.ts'
import type { OtpRequest } from '../../../../core/domain/otp-prompt.ts'
import { definition as accountStatement } from '../../account-statement/definition.ts'
import { definition as creditScore } from '../../credit-score-rating/definition.ts'
import { definition as linkCheck } from '../../link-check/definition.ts'
import { definition as threeProviders } from '../../three-provider-inquiry/definition.ts'

const CAPTCHA_PICTURE = `data:image/png;base64,${readFileSync(join(import.meta.dirname, 'captcha.png'), 'base64')}`

/** A command, and how many seconds before the picture it was given. Times in it are from the picture on. */
export type Past = readonly [secondsAgo: number, command: Command]

export interface GivenRequest {
  service: Service
  /** When it was submitted. */
  secondsAgo: number
  past: readonly Past[]
  /** ISO time. */
  runAt?: string
}

export function serviceOf(definition: ServiceDefinition): Service {
  const parsed = parseService(definition)
  if (!parsed.ok) throw new Error(parsed.errors.join('\n'))
  return parsed.service
}

export const CREDIT = serviceOf(creditScore)
export const STATEMENT = serviceOf({
  ...accountStatement,
  messages: {
    ...accountStatement.messages,
    which_account: { en: 'Which account?', fa: 'کدام حساب؟' },
    fee: {
      en: 'The portal charges 20,000 rials for the statement. Pay and continue?',
      fa: 'درگاه برای صورت‌حساب ۲۰٬۰۰۰ ریال می‌گیرد. پرداخت و ادامه؟',
    },
  },
})
export const LINKS = serviceOf(linkCheck)
export const PROVIDERS = serviceOf(threeProviders)

const step = (
  secondsAgo: number,
  progress: number,
  id: string,
  key?: string,
  params: Record<string, string | number> = {},
): Past => [
  secondsAgo,
  {
    type: 'progress',
    attempt: 1,
    progress,
    step: id,
    ...(key && { message: key, message_key: key, message_params: params }),
  },
]
const start = (secondsAgo: number): Past => [secondsAgo, { type: 'start', attempt: 1, tries: 3 }]
const completed = (secondsAgo: number, result: unknown): Past => [
  secondsAgo,
  { type: 'complete', attempt: 1, result },
]
const request = (service: Service, secondsAgo: number, ...past: Past[]): GivenRequest => ({
  service,
  secondsAgo,
  past,
})

const SIGN_IN = (at: number) => step(at, 8, 'authentication', 'signing_in')
const CAPTCHA = (at: number) => step(at, 22, 'captcha_solving', 'solving_captcha')
const SENDING = (at: number) => step(at, 40, 'sending_otp', 'having_code_sent', { sent_to: '0912***6789' })
const WAITING = (at: number) =>
  step(at, 55, 'waiting_otp', 'code_of_digits_sent', { digits: 6, sent_to: '0912***6789' })
const VERIFYING = (at: number) => step(at, 70, 'verifying_otp', 'checking_code')
const inAttempt = (attempt: number, [secondsAgo, command]: Past): Past => [
  secondsAgo,
  { ...command, attempt } as Command,
]
const ask = (secondsAgo: number, otp: Partial<OtpRequest> = {}): Past => [
  secondsAgo,
  {
    type: 'require_otp',
    attempt: 1,
    otp: { id: 'otp-1', length: 6, sent_to: '0912***6789', ...otp },
  },
]
const answer = (secondsAgo: number): Past => [secondsAgo, { type: 'submit_otp', otp: '483920' }]
const reject = (secondsAgo: number): Past => [secondsAgo, { type: 'reject_otp', attempt: 1 }]
const question = (otp: Omit<OtpRequest, 'id'>): GivenRequest =>
  request(STATEMENT, 30, start(28), step(26, 20, 'signing_in', 'signing_in'), askQuestion(otp))
const askQuestion = (otp: Omit<OtpRequest, 'id'>): Past => [
  20,
  { type: 'require_otp', attempt: 1, otp: { id: 'question', ...otp } },
]
const credit = (secondsAgo: number, ...past: Past[]) => request(CREDIT, secondsAgo, ...past)
const sooner = (seconds: number, past: readonly Past[]): Past[] =>
  past.map(([secondsAgo, command]) => [secondsAgo + seconds, command])
const RESEND = (secondsAgo: number): Past => [secondsAgo, { type: 'resend_otp' }]
const UNTIL_CODE = [start(62), SIGN_IN(60), CAPTCHA(52), SENDING(45), WAITING(41)]
const failure = (code: string, message: string, retryable: boolean) => ({
  error: { code, message, retryable },
})
/** As the example bots report it. */
const PORTAL_DOWN = {
  ...failure('portal_unavailable', 'The portal could not be reached.', true),
  message_key: 'portal_unavailable',
  message_params: { why: 'unreachable' },
}
const option = (value: string, en: string, fa: string) => ({ value, label: { en, fa } })

const CREDIT_RESULT = {
  score: 712,
  rating: 'B',
  open_loans: 2,
  bounced_cheques: 0,
  reference_number: 'CR-7F3K-92QD',
  report_date: '2026-11-29',
  full_name: 'مریم احمدی',
}
const STATEMENT_RESULT = {
  account_number: '*********0123',
  holder: 'Maryam Ahmadi',
  first_day: '2026-11-02',
  last_day: '2026-11-26',
  closing_balance: 148_300_000,
  currency: 'IRR',
  reference_number: 'ST-4C8H-11MB',
  lines: [
    ['2026-11-02', 'Salary', 180_000_000, 246_100_000],
    ['2026-11-03', 'Rent', -95_000_000, 151_100_000],
    ['2026-11-07', 'Card payment', -4_250_000, 146_850_000],
    ['2026-11-09', 'Electricity bill', -1_900_000, 144_950_000],
    ['2026-11-12', 'Cash withdrawal', -10_000_000, 134_950_000],
    ['2026-11-15', 'Transfer from another account', 42_000_000, 176_950_000],
    ['2026-11-18', 'Loan instalment', -31_000_000, 145_950_000],
    ['2026-11-22', 'Card payment', -7_650_000, 138_300_000],
    ['2026-11-26', 'Interest', 10_000_000, 148_300_000],
  ].map(([date, description, amount, balance]) => ({ date, description, amount, balance })),
}
const PROVIDERS_RESULT = {
  score: 655,
  rating: 'B',
  provider: 'steady',
  chosen_because: 'most_confident',
  confidence: 92,
  // Shortly before the end of its request.
  get checked_at(): string {
    return new Date(Date.now() - 21_000).toISOString()
  },
  providers: [
    { provider: 'swift', outcome: 'answered', score: 640, confidence: 71, seconds: 2.1 },
    { provider: 'steady', outcome: 'taken', score: 655, confidence: 92, seconds: 4.6 },
    { provider: 'thorough', outcome: 'not_needed', score: null, confidence: null, seconds: null },
  ],
}
const place = (path: string, also?: number) => ({
  found_on: `https://docs.example.com${path}`,
  ...(also && { also_on: also }),
})
const LINKS_RESULT = {
  start_url: 'https://docs.example.com/',
  pages_checked: 48,
  links_checked: 612,
  links_not_checked: 0,
  broken_total: 3,
  broken: [
    { url: 'https://docs.example.com/old/install', code: 'http_404', status: 404, ...place('/guide/', 3) },
    { url: 'https://status.example.org/', code: 'timed_out', status: null, ...place('/guide/') },
    { url: 'https://example.net/a/very/long/path/that/does/not/end/soon/index.html?with=a&query=too', code: 'http_503', status: 503, ...place('/reference/http') },
  ],
  unsure_total: 1,
  unsure: [{ url: 'https://www.example.com/members', code: 'http_403', status: 403, ...place('/', 11) }],
  redirected_total: 2,
  redirected: [
    { url: 'http://example.com/blog', to: 'https://blog.example.com/', status: 301, ...place('/', 2) },
    { url: 'https://docs.example.com/api', to: 'https://docs.example.com/reference/http', status: 308, ...place('/guide/') },
  ],
  skipped_total: 0,
  skipped: [],
  slowest: [
    { url: 'https://docs.example.com/search', seconds: 2.14 },
    { url: 'https://blog.example.com/', seconds: 1.32 },
  ],
  truncated_code: null,
  duration_seconds: 74,
} // biome-ignore format: a table

const linkCheckAt = (secondsAgo: number, key: string, params: Record<string, string | number>) =>
  request(
    LINKS,
    secondsAgo,
    start(secondsAgo - 2),
    step(secondsAgo - 3, 2, 'fetching_start_page', 'opening_site', { host: 'docs.example.com' }),
    step(secondsAgo - 5, 5, 'crawling', 'start_page_read'),
    step(2, 5 + Math.floor((90 * Number(params.read)) / Number(params.found)), 'crawling', key, params),
  )

/** By name: the requests whose progress or result page is shown. */
export const REQUESTS: Readonly<Record<string, GivenRequest>> = {
  queued: credit(8),
  scheduled: { ...credit(40), runAt: new Date(Date.now() + 2 * 3_600_000).toISOString() },
  running: credit(14, start(12), SIGN_IN(10), CAPTCHA(3)),
  'running-substeps': request(PROVIDERS, 5, start(4), [
    3,
    {
      type: 'progress',
      attempt: 1,
      progress: 38,
      step: 'asking',
      message: 'asking_providers',
      message_key: 'asking_providers',
      message_params: { providers: 3 },
      parts: [
        { id: 'swift', state: 'done' },
        { id: 'steady', state: 'current', progress: 40 },
        { id: 'thorough', state: 'current', progress: 10 },
      ],
    },
  ]),
  'running-links-first': linkCheckAt(8, 'pages_read', { read: 2, found: 14, left: 0, link: '/guide/' }),
  'running-links': linkCheckAt(34, 'pages_read_last_broken', {
    read: 27,
    found: 48,
    left: 0,
    broken: 2,
    link: 'status.example.org/…/summary',
  }),
  'running-links-long': linkCheckAt(95, 'pages_read_last_broken', {
    read: 48,
    found: 48,
    left: 112,
    broken: 13,
    link: 'status.example.org/…/summary',
  }),
  silent: credit(260, start(258), SIGN_IN(256), CAPTCHA(245)),
  retrying: credit(50, start(48), SIGN_IN(46), CAPTCHA(30), [
    6,
    {
      type: 'retry',
      attempt: 1,
      nextRetryAt: 90_000,
      ...PORTAL_DOWN,
    },
  ]),
  'second-attempt': credit(
    60,
    start(58),
    SIGN_IN(56),
    CAPTCHA(50),
    [
      30,
      {
        type: 'retry',
        attempt: 1,
        nextRetryAt: -12_000,
        ...PORTAL_DOWN,
      },
    ],
    [12, { type: 'start', attempt: 2 }],
    [9, { type: 'progress', attempt: 2, progress: 8, step: 'authentication' }],
  ),
  code: credit(64, ...UNTIL_CODE, ask(40)),
  'code-resending': credit(110, ...sooner(40, UNTIL_CODE), ask(80), RESEND(4)),
  'code-resent': credit(
    110,
    ...sooner(40, UNTIL_CODE),
    ask(80),
    RESEND(14),
    ask(8, {
      id: 'otp-2',
      message: 'another_sent',
      message_key: 'another_sent',
      message_params: { sent_to: '0912***6789' },
    }),
  ),
  'code-wrong': credit(90, ...UNTIL_CODE, ask(40), answer(9), reject(6)),
  'code-checking': credit(90, ...UNTIL_CODE, ask(40), answer(2), VERIFYING(1)),
  'code-expired': credit(600, ...sooner(500, UNTIL_CODE), ask(540)),
  'question-choice': question({
    kind: 'choice',
    message: 'Which account?',
    message_key: 'which_account',
    options: [
      option('a', 'Current account …0123', 'حساب جاری …۰۱۲۳'),
      option('b', 'Savings account …7741', 'حساب پس‌انداز …۷۷۴۱'),
      option('c', 'Joint account …9034', 'حساب مشترک …۹۰۳۴'),
    ],
  }),
  'question-confirm': request(
    STATEMENT,
    75,
    start(73),
    step(72, 5, 'signing_in', 'signing_in'),
    step(63, 30, 'sending_otp', 'having_code_sent', { sent_to: '0912***6789' }),
    ask(57),
    answer(35),
    step(34, 75, 'verifying_otp', 'checking_code'),
    step(24, 85, 'reading_statement', 'reading_statement'),
    askQuestion({
      kind: 'confirm',
      message: 'The portal charges 20,000 rials for the statement. Pay and continue?',
      message_key: 'fee',
      confirm_label: { en: 'Pay 20,000 rials', fa: 'پرداخت ۲۰٬۰۰۰ ریال' },
      decline_label: { en: 'Do not pay, and stop', fa: 'نمی‌پردازم؛ متوقف شود' },
    }),
  ),
  'question-image': question({ kind: 'image', image: CAPTCHA_PICTURE }),
  'result-credit': credit(
    140,
    ...UNTIL_CODE.map(([at, command]): Past => [at + 70, command]),
    ask(100),
    answer(78),
    step(76, 80, 'verifying_otp', 'checking_code'),
    step(73, 90, 'processing_result', 'reading_report'),
    completed(64, CREDIT_RESULT),
  ),
  'result-statement': request(
    STATEMENT,
    110,
    start(108),
    step(107, 5, 'signing_in', 'signing_in'),
    step(98, 30, 'sending_otp', 'having_code_sent', { sent_to: '0912***6789' }),
    ask(92),
    answer(70),
    step(69, 75, 'verifying_otp', 'checking_code'),
    step(65, 85, 'reading_statement', 'reading_statement'),
    completed(58, STATEMENT_RESULT),
  ),
  'result-links': request(
    LINKS,
    130,
    start(128),
    step(127, 2, 'fetching_start_page', 'opening_site', { host: 'docs.example.com' }),
    step(124, 5, 'crawling', 'pages_read', { read: 2, found: 14, left: 0, link: '/guide/' }),
    step(61, 90, 'crawling', 'pages_read_last_broken', {
      read: 48,
      found: 48,
      left: 0,
      broken: 3,
      link: '/reference/http',
    }),
    step(60, 95, 'summarizing', 'summarizing', { read: 48, broken: 3 }),
    completed(54, LINKS_RESULT),
  ),
  'result-providers': request(
    PROVIDERS,
    30,
    start(28),
    step(27, 10, 'asking', 'asking_providers', { providers: 3 }),
    [
      23,
      {
        type: 'progress',
        attempt: 1,
        progress: 85,
        step: 'asking',
        parts: [
          { id: 'swift', state: 'done' },
          { id: 'steady', state: 'done' },
          { id: 'thorough', state: 'done', outcome: 'skipped' },
        ],
      },
    ],
    step(22, 90, 'comparing', 'comparing_answers', { answers: 2 }),
    completed(20, PROVIDERS_RESULT),
  ),
  failed: credit(
    95,
    start(93),
    SIGN_IN(90),
    CAPTCHA(80),
    [
      60,
      {
        type: 'retry',
        attempt: 1,
        nextRetryAt: -50_000,
        ...failure('timed_out', 'The portal did not answer in time.', true),
      },
    ],
    [50, { type: 'start', attempt: 2 }],
    [
      44,
      {
        type: 'retry',
        attempt: 2,
        nextRetryAt: -34_000,
        ...PORTAL_DOWN,
      },
    ],
    [34, { type: 'start', attempt: 3 }],
    inAttempt(3, SIGN_IN(33)),
    inAttempt(3, CAPTCHA(31)),
    [30, { type: 'fail', attempt: 3, ...PORTAL_DOWN }],
  ),
  'failed-input': credit(30, start(28), SIGN_IN(26), [
    20,
    {
      type: 'fail',
      attempt: 1,
      ...failure('login_refused', 'The portal did not accept it.', false),
      message_key: 'login_refused',
    },
  ]),
  cancelled: credit(40, start(38), SIGN_IN(36), CAPTCHA(20), [8, { type: 'cancel', by: 'user' }]),
}
