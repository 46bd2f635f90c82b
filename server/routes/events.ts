/** `GET …/events`: the request as server-sent events, until its final state. */
import type { RequestHandler } from 'express'
import { isFinal } from '../../core/record.ts'
import type { LiveRequests, LiveUpdate } from '../../core/redis/live-requests.ts'

const HEARTBEAT_MS = 15_000
const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}
/** A reader that leaves this much unread is cut off; its EventSource comes again and is told the newest state. */
const MOST_UNREAD_BYTES = 1024 * 1024

export function createEventStream({
  live,
  stopping,
  heartbeatMs = HEARTBEAT_MS,
}: {
  live: LiveRequests
  stopping: AbortSignal
  heartbeatMs?: number
}): RequestHandler {
  return async (req, res) => {
    const hash = req.params.hash as string
    const seen = Number.parseInt(req.get('last-event-id') ?? '', 10)
    const watch = await live.watch(hash, {
      update: (update) => send(update),
      expired: () => {
        res.write(`event: expired\ndata: ${JSON.stringify({ hash })}\n\n`)
        close()
      },
    })
    const { latest } = watch
    // Nobody reads: a caller who asked for the headers only, or has left while the watching began.
    if (req.method === 'HEAD' || res.closed) {
      watch.stop()
      return void res.writeHead(200, HEADERS).end()
    }
    // A stream that ended is asked for again by the browser: nothing more to say, and it stops asking.
    if (isFinal(latest.view.status) && seen >= latest.view.version) {
      watch.stop()
      return void res.status(204).end()
    }

    const heartbeat = setInterval(() => res.write(': still here\n\n'), heartbeatMs)
    const close = (): void => void res.end()
    res.on('close', () => {
      clearInterval(heartbeat)
      stopping.removeEventListener('abort', close)
      watch.stop()
    })
    stopping.addEventListener('abort', close)
    res.writeHead(200, HEADERS)
    res.write('retry: 2000\n\n')

    function send({ view, json }: LiveUpdate): void {
      if (res.writableLength > MOST_UNREAD_BYTES) return void res.destroy()
      res.write(`event: update\nid: ${view.version}\ndata: ${json}\n\n`)
      if (isFinal(view.status)) close()
    }
    if (!(seen >= latest.view.version)) send(latest)
    if (stopping.aborted) close()
  }
}
