/** What operators do with queues and services. Each is written to the audit log. */
import type { Request, Response, Router } from 'express'
import { z } from 'zod'
import type { Operate } from '../../core/actions/operate.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { AuditEntry, AuditLog } from '../../core/store/audit-log.ts'
import type { ChosenLimits, LiveControls } from '../../core/store/operator-controls.ts'
import type { Operator } from './access.ts'

export interface QueueActionDeps {
  operate: Operate
  controls: Pick<LiveControls, 'refresh'>
  audit: AuditLog
}

type Act = (operate: Operate, name: string, req: Request) => Promise<unknown>

const messageOf = (req: Request): string => String(req.body?.message ?? '')

const ON_QUEUES: Readonly<Record<'hold' | 'resume' | 'limit', Act>> = {
  hold: (operate, queue, req) => operate.hold(queue, messageOf(req)),
  resume: (operate, queue) => operate.resume(queue),
  limit: (operate, queue, req) => operate.limit(queue, req.body?.reset === undefined ? limitsOf(req) : null),
}
const ON_SERVICES: Readonly<Record<'close' | 'open', Act>> = {
  close: (operate, slug, req) => operate.close(slug, messageOf(req)),
  open: (operate, slug) => operate.open(slug),
}

export function addQueueActions(
  router: Router,
  { operate, controls, audit }: QueueActionDeps,
  operatorOf: (res: Response) => Operator,
): void {
  const add = (kind: 'queue' | 'service', action: AuditEntry['action'], act: Act): void => {
    router.post(`/${action}`, async (req, res) => {
      const name = String(req.body?.[kind] ?? '')
      const entry = { who: operatorOf(res).who, action, [kind]: name }
      try {
        await act(operate, name, req)
      } catch (error) {
        // The name of what does not exist may be any text.
        if (error instanceof AppError)
          void audit.add({ who: entry.who, action, outcome: 'refused', reason: error.code })
        throw error
      }
      void audit.add({ ...entry, outcome: 'done' })
      // Redis has it; this process shows it when it has read it.
      await controls.refresh().catch(() => {})
      res.redirect(303, '/admin/queues')
    })
    router.get(`/${action}`, (_req, res) => res.redirect(303, '/admin/queues'))
  }
  for (const [action, act] of Object.entries(ON_QUEUES)) add('queue', action as keyof typeof ON_QUEUES, act)
  for (const [action, act] of Object.entries(ON_SERVICES))
    add('service', action as keyof typeof ON_SERVICES, act)
}

/** An empty field is no limit. */
const number = (max: number) =>
  z.preprocess((given) => (given === '' ? null : given), z.coerce.number().int().min(1).max(max).nullable())
const LIMITS = z.object({ concurrency: number(10_000), requests: number(1_000_000), seconds: number(86_400) })

function limitsOf({ body }: Request): ChosenLimits {
  const parsed = LIMITS.safeParse({ concurrency: '', requests: '', seconds: '', ...body })
  if (!parsed.success || (parsed.data.requests === null) !== (parsed.data.seconds === null))
    throw new AppError('invalid_parameter', {
      detail: 'Limits are whole numbers from 1 on; a number of starts needs its seconds.',
    })
  const { concurrency, requests, seconds } = parsed.data
  return { concurrency, rate: requests === null || seconds === null ? null : { requests, seconds } }
}
