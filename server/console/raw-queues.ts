/**
 * Bull-board, read-only, below `/admin/queues/raw`: the jobs of each queue as BullMQ stores them. It is the one page of the
 * console that shows hashes, since they are the ids of jobs. Loaded at its first use: it takes 20 MB.
 */
import type { RequestHandler } from 'express'
import type { QueueStats } from '../../core/queue/queue-stats.ts'

/** Its page has inline styles and a `<base>`; its scripts and all else are its own files. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function createRawQueues(queueStats: Pick<QueueStats, 'rawQueues'>): RequestHandler {
  let opening: ReturnType<typeof openBoard> | undefined
  return async (req, res, next) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') return next('router')
    opening ??= openBoard()
    const { board, app, BullMQAdapter } = await opening
    // Queues come and go with the services.
    board.replaceQueues(
      queueStats.rawQueues().map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    )
    res.set('Content-Security-Policy', POLICY)
    app(req, res, next)
  }
}

async function openBoard() {
  const [{ createBullBoard }, { BullMQAdapter }, { ExpressAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/express'),
  ])
  const serverAdapter = new ExpressAdapter().setBasePath('/admin/queues/raw')
  const uiConfig = { boardTitle: 'Halfway', miscLinks: [{ text: 'Console', url: '/admin/queues' }] }
  const board = createBullBoard({ queues: [], serverAdapter, options: { uiConfig } })
  const app = serverAdapter.getRouter()
  app.disable('x-powered-by')
  return { board, app, BullMQAdapter }
}
