/** A service of a bot: its definition as data, and the handler that does the work. */
import { parseService, type Service, type ServiceDefinition } from '../../core/catalog/service-definition.ts'
import type { Log } from '../../core/runtime/log.ts'
import type { RequestUpdater } from '../updater.ts'
import type { Parallel } from './parallel.ts'

/** What a handler is given: the updater bound to its request, and a signal to stop. */
export interface BotRequest extends Omit<RequestUpdater, 'markAsCompleted' | 'markAsFailed'> {
  readonly hash: string
  /** The number of the attempt, 1 for the first. A newer one that joins the running work raises it. */
  readonly attempt: number
  /** Fires on cancel, expiry, take-over by a newer attempt, disconnect of the caller, and stop of the server. */
  readonly signal: AbortSignal
  /** Never log what the submitter typed. */
  readonly log: Log
  /** Runs tasks concurrently, each shown as a substep of the current step (parallel.ts). */
  readonly parallel: Parallel
}

/**
 * Does the work and returns the result, or throws a BotFailure. After having a code sent it may return `smsSent(…)`
 * (sms-sent.ts). `data` is the validated request data of the service's form.
 */
export type Handle<Data = Record<string, unknown>> = (data: Data, request: BotRequest) => Promise<unknown>

export interface BotService {
  /** The definition that is announced to the server. */
  readonly definition: ServiceDefinition
  readonly service: Service
  readonly handle: Handle
}

interface ValueOf {
  number: number
  checkbox: boolean
  choices: string[]
}
type DefinedField = NonNullable<ServiceDefinition['fields']>[number]
type FieldValue<F extends DefinedField> = F['type'] extends keyof ValueOf ? ValueOf[F['type']] : string
type IsOptional<F extends DefinedField> = F extends { required: false } | { show_when: object } ? true : false
type FieldsOf<D extends ServiceDefinition> = D extends { fields: readonly (infer F extends DefinedField)[] }
  ? F
  : never
/** The data of a request by field, as the handler gets it: optional fields may be missing. */
export type DataOf<D extends ServiceDefinition> = {
  [F in FieldsOf<D> as IsOptional<F> extends true ? never : F['name']]: FieldValue<F>
} & { [F in FieldsOf<D> as IsOptional<F> extends true ? F['name'] : never]?: FieldValue<F> }

/** @throws Error naming everything that is wrong with the definition */
export function defineService<const Definition extends ServiceDefinition>(
  definition: Definition,
  handle: Handle<DataOf<Definition>>,
): BotService {
  const parsed = parseService(definition)
  if (!parsed.ok) {
    const lines = parsed.errors.map((error) => `\n  ${error}`).join('')
    throw new Error(`The definition of the service "${definition.slug}" is invalid:${lines}`)
  }
  return { definition, service: parsed.service, handle: handle as Handle }
}
