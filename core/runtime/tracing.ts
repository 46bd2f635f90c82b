/** What the processes need of traces (docs/TRACES.md). */
import type { Telemetry } from 'bullmq'
import type { Stoppable } from './process.ts'

/** Bounded values, and nothing of a person. */
export type SpanAttributes = {
  [name in `halfway.${'reference' | 'service' | 'attempt' | 'status' | 'step' | 'version' | 'outcome' | 'error' | 'transport'}`]?:
    | string
    | number
}

interface SpanOptions {
  kind?: 'server' | 'client' | 'producer'
  /** The `traceparent` of a span that the request already has. */
  parent?: string
  attributes?: SpanAttributes
}

export interface Tracing extends Stoppable {
  /** Of queues and workers. */
  readonly queueTelemetry: Telemetry
  /** The active span, as a `traceparent` header. */
  traceparent(): string | undefined
  /** Runs `work` below the span of a `traceparent` header. An invalid header is ignored. */
  continueTrace<T>(traceparent: string | undefined, work: () => T): T
  /**
   * Runs `work` as a span, a child of the active one. Where there is none, or it belongs to another trace than `parent`, it
   * is a child of `parent`.
   *
   * @param work receives what adds attributes. When it throws, the span has failed
   */
  span<T>(
    name: 'submit' | 'write' | 'attempt' | 'call bot' | 'run',
    options: SpanOptions,
    work: (add: (attributes: SpanAttributes) => void) => Promise<T>,
  ): Promise<T>
  /** A span that is over. Times in milliseconds since 1970. */
  spanBetween(name: 'push', startedAt: number, endedAt: number, options: SpanOptions): void
}
