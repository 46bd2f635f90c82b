/** Requests in every state, made by the real state machine, for tests of pages. */

import { createCatalog } from '../../core/catalog/catalog.ts'
import type { ResultDefinition } from '../../core/catalog/result-definition.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import { toIso } from '../../core/domain/iso-time.ts'
import type { OtpRequest } from '../../core/domain/otp-prompt.ts'
import { type PublicView, toPublicView } from '../../core/domain/record.ts'
import { transition } from '../../core/domain/state-machine.ts'
import { createPages, type PageContext, type Pages } from '../../server/pages/index.ts'
import { PNG } from '../helpers/pictures.ts'
import { catalog } from '../helpers/services.ts'
import { MISFITS, RESULT_FIELDS, TYPED_RESULT } from '../helpers/typed-result.ts'

export const T0 = Date.UTC(2026, 5, 1, 12, 0, 0)
export const TTL = 1800
export const HASH = 'req_abcdefghijklmnopqrstu0mpxyz12'
export const CREDIT = catalog.find('credit-score-rating')!
const THREE = catalog.find('three-provider-inquiry')!

/** The view of a request after these commands, one second apart. */
export const viewAfter = (...changes: Command[]): PublicView => viewOf({}, ...changes)

function viewOf(
  { service = CREDIT, ...made }: { runAt?: number; retryOf?: string; service?: Service },
  ...changes: Command[]
): PublicView {
  let now = T0
  let record = createRecord({
    hash: HASH,
    service,
    requestData: { mobile: 'secret' },
    sessionId: 's',
    now,
    ttlSeconds: TTL,
    ...made,
  })
  for (const command of changes) {
    now += 1000
    const advanced = transition(record, command, { now, ttlSeconds: TTL })
    if (!advanced.ok) throw new Error(`${command.type}: ${advanced.rejection}`)
    record = advanced.record
  }
  if (record.otp_data?.image) {
    // As the store keeps it: the picture is in a key of its own.
    const { image: _image, ...prompt } = record.otp_data
    record = { ...record, otp_data: { ...prompt, has_image: true } }
  }
  const view = toPublicView(record, now)
  return record.status === 'pending' && !made.runAt ? { ...view, queue_position: 3 } : view
}

export const start: Command = { type: 'start', attempt: 1 }
export const progress = {
  type: 'progress',
  attempt: 1,
  progress: 42,
  step: 'captcha_solving',
  message: '<b>حل</b> کپچا',
} satisfies Command
/** One substep has failed, one is running, one is waiting. */
const parts: Command = {
  type: 'progress',
  attempt: 1,
  progress: 20,
  step: 'asking',
  parts: [
    { id: 'swift', state: 'done', outcome: 'failed' },
    { id: 'steady', state: 'current', progress: 40 },
  ],
}
/** The view of a request with three substeps: running, and completed with the third one failed. */
export const partsView = (...changes: Command[]): PublicView =>
  viewOf({ service: THREE }, start, parts, ...changes)
export const askForCode: Command = {
  type: 'require_otp',
  attempt: 1,
  otp: { id: 'otp-1', length: 6, sent_to: '0912***4567' },
}
const ask = (otp: Omit<OtpRequest, 'id'>): Command => ({
  type: 'require_otp',
  attempt: 1,
  otp: { id: 'question-1', ...otp },
})
const options = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    value: `v${n}`,
    label: { en: `Account ${n}`, fa: `حساب ${n.toLocaleString('fa')}` },
  }))
/** Questions of each kind, by name. */
export const QUESTIONS: Readonly<Record<string, Command>> = {
  text: ask({ kind: 'text', message: 'در کدام خیابان زندگی می‌کنید؟', max_length: 60 }),
  'text without a message': ask({ kind: 'text', sent_to: 'a***@example.com' }),
  radios: ask({ kind: 'choice', message: 'کدام حساب؟', options: options(3) }),
  select: ask({ kind: 'choice', options: options(20) }),
  confirm: ask({ kind: 'confirm', message: 'حساب را باز کنیم؟', confirm_label: '<باز> کنید' }),
  image: ask({ kind: 'image', image: PNG }),
}
/** The view after another code was requested. */
const resent = (view: PublicView): PublicView => ({
  ...view,
  otp_data: view.otp_data && {
    ...view.otp_data,
    resend_requested: true,
    resend_available_at: toIso(T0 + 60_000),
  },
})
export const complete = (result: unknown): Command => ({ type: 'complete', attempt: 1, result })
export const fail = (code: string, message: string): Command => ({
  type: 'fail',
  attempt: 1,
  error: { code, message, retryable: true },
})

export const cancel: Command = { type: 'cancel', by: 'user' }

export const submit: Command = { type: 'submit_otp', otp: '483920' }
const reject: Command = { type: 'reject_otp', attempt: 1 }
export const retry: Command = {
  type: 'retry',
  attempt: 1,
  nextRetryAt: T0 + 24_000,
  error: { code: 'timed_out', message: 'x', retryable: true },
}

export const MISTAKES = new AppError('validation_failed', {
  errors: [
    { field: 'mobile', code: 'mobile_invalid' },
    { field: 'نام', code: 'unknown_field' },
  ],
})
/** The errors that have a page. */
const PROBLEMS: readonly ErrorCode[] = [
  'invalid_parameter',
  'origin_not_allowed',
  'not_owner',
  'not_found',
  'unknown_service',
  'request_not_found',
  'method_not_allowed',
  'request_expired',
  'body_too_large',
  'unsupported_media_type',
  'rate_limited',
  'internal_error',
  'unreadable_record',
  'storage_unavailable',
]
const RATE_LIMITED = new AppError('rate_limited', { retryAfterSeconds: 40 })

/** A result with every kind of value. */
export const RESULT = {
  score: 712,
  is_final: true,
  full_name: 'ملی <b>',
  nothing: null,
  none: [],
  report_date: '2026-05-01',
  checked_at: '2026-05-01T21:30:00Z',
  opened: '2026-05-01T09:15',
  lines: [
    { date: '2026-04-30', amount: -1250000.5, description: 'Rent' },
    { date: '2026-05-01', amount: 900 },
  ],
  found_on: ['https://example.com/', 'b'],
  broken: [{ url: 'https://example.com/', also_on: ['a', 'b'] }],
  deep: { deep: { deep: { deep: { deep: { deep: 1 } } } } },
}

/** Pages of a service with this result. */
export const pagesWithResult = (result: ResultDefinition): Pages =>
  createPages({ catalog: createCatalog([{ ...CREDIT, result }]), ttlSeconds: TTL, now: () => T0 + 5000 })
export const pages = createPages({ catalog, ttlSeconds: TTL, now: () => T0 + 5000 })
const keepingPages = createPages({ catalog, ttlSeconds: TTL, keepsLonger: true, now: () => T0 + 5000 })
const latePages = createPages({ catalog, ttlSeconds: TTL, now: () => T0 + (TTL - 60) * 1000 })

/** Every page in every state that changes its content, by name. */
export function pagesFor(reader: PageContext): [string, string][] {
  const form = (values: Record<string, string>, refusal?: AppError) =>
    pages.form(reader, CREDIT, { key: 'key-made-at-render', values, refusal })
  const request = (...changes: Command[]) => pages.request(reader, viewAfter(...changes))
  const code = viewAfter(start, askForCode)
  return [
    ['services', pages.services(reader)],
    [
      'services with own requests',
      pages.services(reader, [code, viewAfter(start, progress), viewAfter(cancel)]),
    ],
    ['form', form({})],
    ['form with values', form({ mobile: '09123456789', national_code: '0012345679' })],
    ['form with errors', form({ mobile: '0912"><b>' }, MISTAKES)],
    ['form after 429', form({ mobile: '0912' }, RATE_LIMITED)],
    ['form after 503', form({ mobile: '0912' }, new AppError('storage_unavailable'))],
    ['form after 403', form({ mobile: '0912' }, new AppError('origin_not_allowed'))],
    ['pending', request()],
    ['scheduled', pages.request(reader, viewOf({ runAt: T0 + 7_200_000 }))],
    ['retry of another request', pages.request(reader, viewOf({ retryOf: HASH }, start, progress))],
    ['processing', request(start, progress)],
    ['substeps', pages.request(reader, partsView())],
    ['completed with a failed substep', pages.request(reader, partsView(complete({ score: 712 })))],
    ['retrying', request(start, retry)],
    ['code', pages.request(reader, code, { focus: true })],
    ['code with problem', pages.request(reader, code, { problem: '…', focus: true })],
    ['code rejected', request(start, askForCode, submit, reject)],
    [
      'code with a link for another device',
      pages.request(reader, code, { device: { href: 'http://localhost/c/code_x', prompt: 'otp-1' } }),
    ],
    ['code on another device', pages.code(reader, code, { action: '/c/code_x' })],
    ['code on another device with problem', pages.code(reader, code, { action: '/c/code_x', problem: '…' })],
    ['code sent', pages.codeSent(reader)],
    ['code resent', pages.request(reader, resent(code))],
    ...Object.entries(QUESTIONS).flatMap(([kind, question]): [string, string][] => [
      [`question: ${kind}`, pages.request(reader, viewAfter(start, question), { focus: true })],
      [`question with problem: ${kind}`, pages.request(reader, viewAfter(start, question), { problem: '…' })],
      [`question resent: ${kind}`, pages.request(reader, resent(viewAfter(start, question)))],
    ]),
    [
      'question without permission',
      pages.request(reader, viewAfter(start, QUESTIONS.confirm!), { mayAct: false }),
    ],
    ['code without permission', pages.request(reader, code, { mayAct: false })],
    ['cancel', pages.confirmCancel(reader, viewAfter(start))],
    ['delete', pages.confirmDelete(reader, viewAfter(start, complete(1)))],
    ['kept longer', request(start, complete(1), { type: 'keep' })],
    ['may be kept longer', keepingPages.request(reader, viewAfter(start, complete(1)))],
    ['completed', request(start, progress, complete(RESULT))],
    ['completed with nothing', request(start, complete(null))],
    ['completed with a list', request(start, complete([[1], ['2026-05-01']]))],
    [
      'completed with every kind',
      pagesWithResult({ headline: 'score', fields: RESULT_FIELDS }).request(
        reader,
        viewAfter(start, complete(TYPED_RESULT)),
      ),
    ],
    ...MISFITS.map(([type, value, , settings], i): [string, string] => [
      `completed with a ${type} that does not fit (${i + 1})`,
      pagesWithResult({ fields: [{ name: 'x', type, label: 'X', ...settings }] }).request(
        reader,
        viewAfter(start, complete({ x: value })),
      ),
    ]),
    ['failed', request(start, fail('timed_out', 'x'))],
    [
      'failed and retried',
      pages.request(reader, viewAfter(start, fail('timed_out', 'x')), { retriedAs: HASH }),
    ],
    ['completed retry', pages.request(reader, viewOf({ retryOf: HASH }, start, complete(1)))],
    ['cancelled', request(cancel)],
    ['running, about to be deleted', latePages.request(reader, viewAfter(start, progress))],
    ['completed, about to be deleted', latePages.request(reader, viewAfter(start, complete(1)))],
    ...PROBLEMS.map((code): [string, string] => [
      `problem ${code}`,
      pages.problem(reader, new AppError(code, { retryAfterSeconds: 40 }), CREDIT.slug),
    ]),
  ]
}
