/**
 * `halfway/test`: runs one request through the handler of a service, in this process and at once, without Redis, server and
 * workers. The request passes through the same state machine and the same checks as in production.
 */
import { validateRequestData } from '../../core/catalog/request-data.ts'
import { findResultFaults } from '../../core/catalog/result-faults.ts'
import { createLog } from '../../core/runtime/log.ts'
import { createSyncDriver } from '../../core/tasks/drivers/sync.ts'
import type { TaskDefinition, TaskRegistry } from '../../core/tasks/task.ts'
import { createConcurrency } from '../../core/tasks/task-runner.ts'
import { checkSteps, stepIds } from '../bot-server/check-steps.ts'
import type { BotRequest, BotService } from '../bot-server/define-service.ts'
import { createParallel } from '../bot-server/parallel.ts'
import { isSmsSent } from '../bot-server/sms-sent.ts'
import { continueWithCodes } from './continue-with-codes.ts'
import {
  type AddedFile,
  type AnswerOf,
  type AskedPrompt,
  createRequestInMemory,
  type ShownProgress,
} from './request-in-memory.ts'

export { BotFailure } from '../bot-failure.ts'
export type { AddedFile, AnswerOf, AskedPrompt, ShownProgress }

export interface RunHandlerOptions {
  /** The submitter's answers, in the order of the questions, or a function of the question. `null` lets a question expire. */
  answers?: readonly (string | null)[] | AnswerOf
  /** The tasks of `request.parallel`. They run in this process, one after the other. */
  tasks?: readonly TaskDefinition<never, unknown>[]
  /** Fires as on cancel. */
  signal?: AbortSignal
}

export interface HandlerRun {
  result: unknown
  /** What in the result does not fit the definition, such as `lines[2].amount: must be a number`. */
  faults: string[]
  /** What the handler reported, in order. */
  reports: ShownProgress[]
  /** The questions as the page shows them; another code of the same question is one more. */
  questions: AskedPrompt[]
  /** What it stored with `addFile`. */
  files: AddedFile[]
}

/**
 * @param data as the form would send it
 * @throws BotFailure as the handler does; Error for data that the form refuses, and for a question without an answer
 */
export async function runHandler(
  { service, handle }: BotService,
  data: Readonly<Record<string, unknown>> = {},
  { answers = [], tasks = [], signal = new AbortController().signal }: RunHandlerOptions = {},
): Promise<HandlerRun> {
  const validated = validateRequestData(service, data)
  if (!validated.ok) {
    const faults = validated.errors.map(({ field, code }) => `${field} (${code})`).join(', ')
    throw new Error(`The form of "${service.slug}" refuses the data: ${faults}.`)
  }
  const log = createLog('test', 'silent')
  const inMemory = createRequestInMemory({
    service,
    data: validated.data,
    answerOf: toAnswerOf(answers),
    log,
  })
  await inMemory.start()
  const { markAsCompleted, markAsFailed: _leftToWorker, ...updater } = inMemory.updater
  const methods = checkSteps(updater, service.slug, stepIds(service))
  const registry: TaskRegistry = new Map(tasks.map((task) => [task.name, task]))
  const open = () => createSyncDriver(registry)
  const concurrency = createConcurrency({
    driver: 'sync',
    drivers: { sync: open, process: open, fork: open, redis: open },
    log,
  })
  const request: BotRequest = {
    ...methods,
    hash: inMemory.hash,
    attempt: inMemory.attempt,
    signal,
    log,
    parallel: createParallel({ concurrency, signal, updateProgress: methods.updateProgress }),
  }
  try {
    const returned = await handle(validated.data, request)
    const result = isSmsSent(returned) ? await continueWithCodes(returned, request, inMemory) : returned
    await markAsCompleted(result)
    const faults = findResultFaults(result, service.result)
    const { reports, questions, files } = inMemory
    return { result, faults, reports, questions, files }
  } finally {
    await concurrency.stop()
  }
}

function toAnswerOf(answers: readonly (string | null)[] | AnswerOf): AnswerOf {
  if (typeof answers === 'function') return answers
  const left = [...answers]
  return () => left.shift()
}
