/** `GET /admin/events?page={address}`: an event whenever what that page shows has changed. */
import { hash as digest } from 'node:crypto'
import type { RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import { pageContext } from '../middleware/locale.ts'
import type { ConsoleDoor } from './access.ts'
import type { ConsolePages } from './pages.ts'

const LOOK_EVERY_MS = 2_000
/** A page that takes long to make is made less often: looking takes at most a tenth of the time. */
const REST_FACTOR = 9
const HEARTBEAT_MS = 15_000
const MAX_STREAMS = 20

export function createConsoleEvents({
  door,
  pages,
  stopping,
}: {
  door: Pick<ConsoleDoor, 'operatorOf'>
  pages: Pick<ConsolePages, 'render'>
  stopping: AbortSignal
}): RequestHandler {
  let open = 0
  return async (req, res) => {
    const context = { ...pageContext(req), address: String(req.query.page ?? '/admin') }
    /** Null once the session is over. @throws AppError where there is no such page */
    async function look(): Promise<string | null> {
      const operator = await door.operatorOf(req)
      const html = operator && (await pages.render(context, operator, true))
      if (operator && html === null) throw new AppError('not_found')
      return html && digest('sha256', html)
    }

    if (open >= MAX_STREAMS)
      throw new AppError('rate_limited', { detail: `At most ${MAX_STREAMS} pages are kept up to date.` })
    open++
    let timer: NodeJS.Timeout | undefined
    let heartbeat: NodeJS.Timeout | undefined
    const end = (): void => void res.end()
    stopping.addEventListener('abort', end)
    res.on('close', () => {
      open--
      clearTimeout(timer)
      clearInterval(heartbeat)
      stopping.removeEventListener('abort', end)
    })

    let shown = await look()
    if (res.closed) return
    res.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    })
    res.write('retry: 2000\n\n')
    heartbeat = setInterval(() => res.write(': still here\n\n'), HEARTBEAT_MS)

    async function follow(): Promise<void> {
      const startedAt = performance.now()
      // While Redis is away the page stays as it is.
      const latest = await look().catch(() => shown)
      if (res.writableEnded || res.destroyed) return
      if (latest === null) return end()
      if (latest !== shown) res.write(`event: changed\ndata: {}\n\n`)
      shown = latest
      timer = setTimeout(follow, Math.max(LOOK_EVERY_MS, REST_FACTOR * (performance.now() - startedAt)))
    }
    if (stopping.aborted) end()
    else timer = setTimeout(follow, LOOK_EVERY_MS)
  }
}
