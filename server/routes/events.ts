/** `GET …/events`: the request as server-sent events, until its final state. */
import type { RequestHandler } from 'express'
import { isFinal } from '../../core/domain/record.ts'
import type { EncodedUpdate, RequestWatcher } from '../../core/pubsub/request-watcher.ts'
import type { Health } from '../../core/pubsub/subscriber-health.ts'

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
  health,
  stopping,
  heartbeatMs = HEARTBEAT_MS,
}: {
  live: RequestWatcher
  health: Health
  stopping: AbortSignal
  heartbeatMs?: number
}): RequestHandler {
  return async (req, res) => {
    const hash = req.params.hash as string
    const seen = Number.parseInt(req.get('last-event-id') ?? '', 10)
    // What comes while the watching begins is kept until the stream is open.
    const early: (() => void)[] = []
    let isOpen = false
    const once = (say: () => void): void => (isOpen ? say() : void early.push(say))
    const watch = await live.watch(hash, {
      update: (update) => once(() => send(update)),
      expired: () => once(() => end(`event: expired\ndata: ${JSON.stringify({ hash })}\n\n`)),
    })
    const { latest } = watch
    // Nobody reads: a caller who asked for the headers only, or has left while the watching began.
    if (req.method === 'HEAD' || res.closed) {
      watch.stop()
      return void res.writeHead(200, HEADERS).end()
    }
    // A stream that ended is asked for again by the browser: nothing more to say, and it stops asking.
    if (isFinal(latest.position.status) && seen >= latest.position.version) {
      watch.stop()
      return void res.status(204).end()
    }

    const heartbeat = setInterval(() => write(': still here\n\n'), heartbeatMs)
    const sayHealth = (isUp: boolean): void => write(`event: ${isUp ? 'restored' : 'degraded'}\ndata: {}\n\n`)
    const stopHealth = health.onChange(sayHealth)
    const stop = (): void => {
      clearInterval(heartbeat)
      stopHealth()
      stopping.removeEventListener('abort', close)
      watch.stop()
    }
    const close = (): void => end('')
    res.on('close', stop)
    stopping.addEventListener('abort', close)
    res.writeHead(200, HEADERS)
    write('retry: 2000\n\n')
    if (!health.isUp) sayHealth(false)

    function write(text: string): void {
      if (res.writableEnded || res.destroyed) return
      if (res.writableLength > MOST_UNREAD_BYTES) res.destroy()
      else res.write(text)
    }
    /** Says no more, also not to a reader who takes his time with what was said. */
    function end(text: string): void {
      write(text)
      stop()
      res.end()
    }
    function send({ position, json }: EncodedUpdate): void {
      const event = `event: update\nid: ${position.version}\ndata: ${json}\n\n`
      if (isFinal(position.status)) end(event)
      else write(event)
    }
    isOpen = true
    if (!(seen >= latest.position.version)) send(latest)
    for (const say of early) say()
    if (stopping.aborted) close()
  }
}
