/** Traces of a process, where OTEL_EXPORTER_OTLP_ENDPOINT is set. Elsewhere nothing of OpenTelemetry is loaded. */
import type { MeasuredProcess } from './metrics.ts'
import type { ProcessContext } from './process.ts'
import type { Tracing } from './tracing.ts'

/** The newest SDK that runs on Node 20. `--save-prod`: in Halfway's own package.json it is among the packages of development. */
const INSTALL =
  'npm install --save-prod @opentelemetry/sdk-trace-node@2 @opentelemetry/resources@2 @opentelemetry/exporter-trace-otlp-http@0.223'

/**
 * Register it first: the spans of what runs while the process stops are sent, too.
 *
 * @returns undefined where nothing is traced
 */
export async function startTracing(
  process: MeasuredProcess,
  { config, log, register }: Pick<ProcessContext, 'config' | 'log' | 'register'>,
): Promise<Tracing | undefined> {
  if (!config.isTraced) return undefined
  const otel = await import('./otel.ts').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    log.warn(`OTEL_EXPORTER_OTLP_ENDPOINT is set, but nothing is traced: the SDK is missing. ${INSTALL}`)
    return undefined
  })
  return otel && register('traces', otel.openTracing(`halfway-${process}`, log))
}
