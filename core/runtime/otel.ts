/**
 * Traces by OpenTelemetry. Its SDK reads the OTEL_ variables itself. Where the program has registered an SDK of its own before,
 * that one is used.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { Log } from './log.ts'
import { createQueueTelemetry } from './queue-telemetry.ts'
import type { Tracing } from './tracing.ts'

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER }
/** How long the last spans may take while the process stops. */
const SEND_LAST_MS = 2_000

/** @param serviceName for where OTEL_SERVICE_NAME is not set */
export function openTracing(serviceName: string, log: Log): Tracing {
  const exporter = new OTLPTraceExporter()
  logFailures(exporter, log)
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': serviceName }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [withoutEmptyJobs(new BatchSpanProcessor(exporter))],
  })
  provider.register()
  const tracer = trace.getTracer('halfway')
  const optionsOf = ({ kind, attributes }: Parameters<Tracing['span']>[1]) => ({
    kind: kind && KINDS[kind],
    attributes,
  })
  log.info('requests are traced')

  return {
    queueTelemetry: createQueueTelemetry(),
    traceparent() {
      const carrier: { traceparent?: string } = {}
      propagation.inject(context.active(), carrier)
      return carrier.traceparent
    },
    continueTrace: (traceparent, work) => context.with(extract(traceparent), work),
    span: (name, options, work) =>
      tracer.startActiveSpan(name, optionsOf(options), parentOf(options.parent), async (span) => {
        try {
          return await work((attributes) => span.setAttributes(attributes))
        } catch (error) {
          // Not its message, which may say anything.
          span.setStatus({ code: SpanStatusCode.ERROR })
          throw error
        } finally {
          span.end()
        }
      }),
    spanBetween(name, startTime, endedAt, options) {
      tracer.startSpan(name, { startTime, ...optionsOf(options) }, parentOf(options.parent)).end(endedAt)
    },
    stop: () => Promise.race([provider.shutdown(), sleep(SEND_LAST_MS, undefined, { ref: false })]),
  }
}

/**
 * Drops the spans of jobs in which nothing happened: while no bot has room, a worker takes the job of a waiting request again
 * and again.
 */
export function withoutEmptyJobs(next: SpanProcessor): SpanProcessor {
  const empty = new Set<string>()
  return {
    onStart(span, parent) {
      if (span.kind === SpanKind.CONSUMER) empty.add(span.spanContext().spanId)
      if (span.parentSpanContext) empty.delete(span.parentSpanContext.spanId)
      next.onStart(span, parent)
    },
    onEnd(span) {
      if (!empty.delete(span.spanContext().spanId)) next.onEnd(span)
    },
    forceFlush: () => next.forceFlush(),
    shutdown: () => next.shutdown(),
  }
}

/** Logs when spans can no longer be sent, and when they are sent again. */
function logFailures(exporter: OTLPTraceExporter, log: Log): void {
  const send = exporter.export.bind(exporter)
  let isFailing = false
  exporter.export = (spans, done) =>
    send(spans, (result) => {
      const hasFailed = result.error !== undefined
      if (hasFailed && !isFailing) log.warn({ reason: result.error?.message }, 'traces cannot be sent')
      if (!hasFailed && isFailing) log.info('traces are sent again')
      isFailing = hasFailed
      done(result)
    })
}

const extract = (traceparent: string | undefined): Context =>
  traceparent === undefined ? context.active() : propagation.extract(context.active(), { traceparent })

/** Work for one request may be active while another one's is done, such as a batch. */
function parentOf(traceparent: string | undefined): Context {
  const given = extract(traceparent)
  const isSameTrace = trace.getSpanContext(given)?.traceId === trace.getSpanContext(context.active())?.traceId
  return isSameTrace ? context.active() : given
}
