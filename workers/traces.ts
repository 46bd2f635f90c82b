/** Spans of an attempt and of its call to the bot. */

import type { Tracing } from '../core/runtime/tracing.ts'
import { attributesOf, errorAttribute } from '../core/store/request-attributes.ts'
import type { BotClient } from './bot-client.ts'
import type { createAttemptRunner } from './run-attempt.ts'

type RunAttempt = ReturnType<typeof createAttemptRunner>

export const traceAttempts = (runAttempt: RunAttempt, tracing: Tracing | undefined): RunAttempt =>
  tracing === undefined
    ? runAttempt
    : (work, context) => {
        const { record } = work
        // The service is known: its bot was chosen.
        const options = { parent: record.traceparent, attributes: attributesOf(record, {}) }
        return tracing.span('attempt', options, async (add) => {
          const outcome = await runAttempt(work, context)
          add({
            'halfway.outcome': outcome.is,
            ...('error' in outcome && errorAttribute(outcome.error.code)),
          })
          return outcome
        })
      }

export const traceCalls = (client: BotClient, tracing: Tracing | undefined): BotClient =>
  tracing === undefined
    ? client
    : {
        ...client,
        call(call) {
          const { slug, attempt, hash } = call
          const attributes = attributesOf({ service_slug: slug, hash, attempt }, {})
          return tracing.span('call bot', { kind: 'client', attributes }, async (add) => {
            try {
              const answer = await client.call({ ...call, traceparent: tracing.traceparent() })
              if (answer.status === 'error') add(errorAttribute(answer.code))
              return answer
            } catch (error) {
              add(errorAttribute((error as { code?: unknown }).code))
              throw error
            }
          })
        },
      }
