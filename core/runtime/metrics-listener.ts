/** The metrics of a process, where its settings ask for them, and `GET /metrics` on a port of its own. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Log } from './log.ts'
import type { MeasuredProcess, Metrics } from './metrics.ts'
import { listen, type ProcessContext, type Stoppable } from './process.ts'

type Scraped = Pick<Metrics, 'scrape' | 'registry'>

const SETTINGS = { server: 'METRICS_PORT', workers: 'WORKER_METRICS_PORT', bots: 'BOT_METRICS_PORT' } as const

/**
 * Register it first: it then answers until the process has finished its work.
 *
 * @returns undefined where nothing asks for metrics: nothing is counted then
 * @throws StartupError when the port cannot be opened
 */
export async function startMetrics(
  process: MeasuredProcess,
  { config, log, register }: Pick<ProcessContext, 'config' | 'log' | 'register'>,
): Promise<Metrics | undefined> {
  const { host, ports, token } = config.metrics
  const port = ports[process]
  if (port === undefined && !(process === 'server' && token !== undefined)) return undefined
  const { createMetrics } = await import('./metrics.ts')
  const metrics = createMetrics(process)
  if (port !== undefined)
    await register('metrics', startListener(metrics, { port, host, setting: SETTINGS[process], log }))
  return metrics
}

async function startListener(
  metrics: Scraped,
  { log, ...where }: { port: number; host: string; setting: string; log: Log },
): Promise<Stoppable> {
  const server = createServer((req, res) => {
    if (req.url?.split('?')[0] === '/metrics' && (req.method === 'GET' || req.method === 'HEAD'))
      return void sendMetrics(metrics, req, res).catch((error: unknown) => {
        log.error({ err: error }, 'a scrape failed')
        res.writeHead(500).end()
      })
    res.writeHead(404).end()
  })
  await listen(server, where)
  log.info({ address: `http://${where.host}:${where.port}/metrics` }, 'metrics are served')
  return {
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export async function sendMetrics(
  { registry, scrape }: Scraped,
  { method }: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const text = await scrape()
  res.writeHead(200, { 'Content-Type': registry.contentType, 'Cache-Control': 'no-store' })
  res.end(method === 'HEAD' ? undefined : text)
}
