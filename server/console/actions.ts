/** What operators do: cancel requests, send failed ones again. Each is written to the audit log. */
import type { Request, Response, Router } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Retry } from '../../core/actions/retry-request.ts'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { type ConsoleTexts, createConsoleTexts } from '../../core/i18n/console-texts.ts'
import type { ConsoleKey } from '../../core/i18n/en-console.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import type { AuditEntry, AuditLog } from '../../core/store/audit-log.ts'
import type { FailedRequests } from '../../core/store/failed-requests.ts'
import type { RequestList } from '../../core/store/request-list.ts'
import { pageContext } from '../middleware/locale.ts'
import type { Operator } from './access.ts'
import { MAX_CHOSEN, withRecords } from './contents.ts'
import type { ActionAnswer, ConsolePages } from './pages.ts'
import { requestHref } from './requests-model.ts'

export interface ConsoleActionDeps {
  redis: RedisClient
  list: Pick<RequestList, 'find'>
  requests: Pick<RequestActions, 'cancel'>
  retry: Retry
  failures: Pick<FailedRequests, 'list'>
  pages: Pick<ConsolePages, 'answer'>
  audit: AuditLog
}

/** Of one request: done, perhaps as a new one, or a code that says why not. */
type Outcome = { reference: string } & ({ as: string | null } | { reason: string })

export function addConsoleActions(
  router: Router,
  deps: ConsoleActionDeps,
  operatorOf: (res: Response) => Operator,
): void {
  const { requests, retry, pages } = deps

  router.post('/cancel', async (req, res) => {
    const operator = operatorOf(res)
    const reason = String(req.body?.reason ?? '')
    const outcomes = await onEach(deps, operator, 'cancel', chosen(req), async (hash) => {
      await requests.cancel(hash, 'operator', reason)
      return { as: null }
    })
    const [only] = outcomes
    if (outcomes.length === 1 && only && 'as' in only) return res.redirect(303, requestHref(only.reference))
    const context = pageContext(req)
    const answer = answerOf('cancel', outcomes, null, createConsoleTexts(context.locale))
    res.send(pages.answer(context, operator, answer))
  })

  router.post('/send-again', async (req, res) => {
    const operator = operatorOf(res)
    const isAll = Boolean(req.body?.all)
    const all = isAll ? await allThatCanBeSent(deps, String(req.body.code ?? '')) : []
    const references = isAll ? all.slice(0, MAX_CHOSEN).map(({ reference }) => reference) : chosen(req)
    const slugs = new Map(all.map(({ reference, slug }) => [reference, slug]))
    /** Services whose queue has no room. */
    const full = new Set<string | undefined>()
    const outcomes = await onEach(deps, operator, 'send_again', references, async (hash) => {
      const slug = slugs.get(shortReference(hash))
      if (full.has(slug)) return null
      const result = await retry(hash, isAll ? 'all' : 'one')
      if (result.ok) return { as: shortReference(result.retried_as) }
      if (result.reason !== 'no_room') return { reason: result.reason }
      full.add(slug)
      return null
    })
    const context = pageContext(req)
    const texts = createConsoleTexts(context.locale)
    const count = isAll ? all.length - outcomes.length : 0
    const note =
      full.size > 0 ? texts.t('console.left', { count })
      : count > 0 ? texts.t('console.remaining', { count })
      : null // biome-ignore format: a table
    const answer = answerOf('send_again', outcomes, note, texts)
    res.send(pages.answer(context, operator, answer))
  })

  /** The address of an answer page, opened again. */
  router.get(['/cancel', '/send-again'], (_req, res) => res.redirect(303, '/admin/requests'))
}

async function onEach(
  { list, audit }: ConsoleActionDeps,
  { who }: Operator,
  action: AuditEntry['action'],
  references: readonly string[],
  /** Null leaves the request as it is. */
  act: (hash: string) => Promise<{ as: string | null } | { reason: string } | null>,
): Promise<Outcome[]> {
  if (references.length > MAX_CHOSEN)
    throw new AppError('invalid_parameter', { detail: `Choose at most ${MAX_CHOSEN} requests.` })
  const found = await list.find(references)
  const outcomes: Outcome[] = []
  for (const reference of references) {
    const [hash, ...others] = found.get(reference) ?? []
    const result =
      hash === undefined ? { reason: 'not_found' }
      : others.length > 0 ? { reason: 'ambiguous' }
      : await act(hash).catch(codeOf) // biome-ignore format: a table
    if (result === null) continue
    outcomes.push({ reference, ...result })
    const end = 'reason' in result ? { outcome: 'refused' as const, ...result } : { outcome: 'done' as const }
    void audit.add({ who, action, request: auditName(reference, hash), ...end })
  }
  return outcomes
}

function answerOf(
  action: 'cancel' | 'send_again',
  outcomes: readonly Outcome[],
  note: string | null,
  { t }: ConsoleTexts,
): ActionAnswer {
  const done = outcomes.flatMap((one) => ('as' in one ? [one] : []))
  const refused = outcomes.flatMap((one) => ('reason' in one ? [one] : []))
  const wordsOf = (reason: string): string =>
    REFUSALS.has(reason) ? t(`console.refused.${reason}` as ConsoleKey) : t(`error.${reason as ErrorCode}`)
  return {
    heading: t(action === 'cancel' ? 'console.done.cancel' : 'console.done.again', { count: done.length }),
    done,
    refused: refused.map(({ reference, reason }) => ({ reference, words: wordsOf(reason) })),
    note: note ?? (outcomes.length === 0 ? t('console.refused.none_chosen') : null),
    back: action === 'cancel' ? '/admin/requests' : '/admin/failed',
  }
}

const REFUSALS = new Set([
  'not_found',
  'ambiguous',
  'not_failed',
  'data_deleted',
  'already_retried',
  'unknown_service',
  'subject_limit_reached',
  'too_many_unfinished',
])

const chosen = (req: Request): string[] => [...new Set([req.body?.request ?? []].flat().map(String))]

/** A caller may send any text as a reference. */
const auditName = (reference: string, hash: string | undefined): string | undefined =>
  hash === undefined ? (/^\w{8}$/.test(reference) ? reference : undefined) : shortReference(hash)

/** Redis away, or a bug, ends the whole call. */
function codeOf(error: unknown): { reason: string } {
  if (error instanceof AppError && error.code !== 'storage_unavailable') return { reason: error.code }
  throw error
}

async function allThatCanBeSent(
  { redis, failures }: ConsoleActionDeps,
  code: string,
): Promise<{ reference: string; slug: string }[]> {
  const all = (await failures.list()).filter((one) => one.retried_as === null && (!code || one.code === code))
  const kept = (await withRecords(redis, all)).filter(({ isKept }) => isKept)
  return kept.map(({ hash, service_slug }) => ({ reference: shortReference(hash), slug: service_slug }))
}
