/**
 * Asks three providers for a score concurrently, and takes the more confident answer as soon as two have arrived. Steps as
 * in definition.ts.
 *
 * Failures: `too_few_answers` is retried.
 */

import { task } from '../../../core/tasks/task.ts'
import { TaskError } from '../../../core/tasks/task-errors.ts'
import type { Settled } from '../../../core/tasks/task-runner.ts'
import { BotFailure } from '../../bot-failure.ts'
import {
  type BotRequest,
  type BotService,
  type DataOf,
  defineService,
  type Handle,
} from '../../bot-server/define-service.ts'
import { messageBuilder } from '../../bot-server/messages.ts'
import type { ExampleSettings } from '../settings.ts'
import { definition } from './definition.ts'
import { askProvider, PROVIDERS, type ProviderAnswer, USUAL_SECONDS } from './tasks.ts'

const NEED = 2

const localized = messageBuilder(definition)

const createHandler =
  ({ portalUrl }: Pick<ExampleSettings, 'portalUrl'>): Handle<DataOf<typeof definition>> =>
  async ({ national_code }, request) => {
    const localizedMessage = localized('asking_providers', { providers: PROVIDERS.length })
    await request.updateProgress(5, 'asking', localizedMessage)
    const outcomes = await askAll(request, portalUrl, national_code)
    const answers = outcomes.flatMap((outcome, i) =>
      outcome.ok ? [{ ...outcome.value, provider: PROVIDERS[i]! }] : [],
    )
    await request.updateProgress(90, 'comparing', localized('comparing_answers', { answers: answers.length }))
    const { seconds: _seconds, ...best } = answers.reduce((best, answer) =>
      answer.confidence > best.confidence ? answer : best,
    )
    return {
      ...best,
      chosen_because: 'most_confident',
      providers: outcomes.map((outcome, i) => describeOutcome(outcome, PROVIDERS[i]!, best.provider)),
    }
  }

/** A row of the result: what this provider answered, and whether it is the one that was taken. */
function describeOutcome(outcome: Settled<ProviderAnswer>, provider: string, taken: string) {
  if (!outcome.ok) return { provider, outcome: outcome.error.code === 'aborted' ? 'not_needed' : 'failed' }
  const { score, confidence, seconds } = outcome.value
  return { provider, outcome: provider === taken ? 'taken' : 'answered', score, confidence, seconds }
}

async function askAll(
  { parallel, log, signal }: BotRequest,
  baseUrl: string,
  nationalCode: string,
): Promise<Settled<ProviderAnswer>[]> {
  const parts = PROVIDERS.map((provider) => ({
    step: provider,
    weight: USUAL_SECONDS[provider],
    call: task(askProvider, { baseUrl, provider, nationalCode }),
  }))
  try {
    return await parallel(parts, { from: 5, to: 90, need: NEED })
  } catch (error) {
    if (signal.aborted || !(error instanceof TaskError)) throw error
    log.info({ task: error.task, reason: error.code }, 'too few providers have answered')
    throw new BotFailure('too_few_answers', localized('too_few_answers', { need: NEED }), {
      retryable: true,
      cause: error,
    })
  }
}

export const createService = (settings: Pick<ExampleSettings, 'portalUrl'>): BotService =>
  defineService(definition, createHandler(settings))
