/** `GET …/events`: the request's states as server-sent events, up to the final one. */
import type { RequestHandler, Response } from 'express'
import { isFinal } from '../../core/domain/record.ts'
import type { EncodedUpdate, RequestWatcher } from '../../core/pubsub/request-watcher.ts'
import type { Health } from '../../core/pubsub/subscriber-health.ts'
import type { TransportCounter } from '../server-metrics.ts'

const HEARTBEAT_MS = 15_000
const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}
/** A client with more unread bytes is disconnected; its EventSource reconnects and gets the newest state. */
const MAX_UNSENT_BYTES = 1024 * 1024

export function createEventStream({
  watcher,
  health,
  stopping,
  heartbeatMs = HEARTBEAT_MS,
  counter,
}: {
  watcher: RequestWatcher
  health: Health
  stopping: AbortSignal
  heartbeatMs?: number
  counter?: TransportCounter
}): RequestHandler {
  return async (req, res) => {
    const hash = req.params.hash as string
    const lastEventId = Number.parseInt(req.get('last-event-id') ?? '', 10)
    // Updates that arrive before the stream is open are buffered.
    const buffered: (() => void)[] = []
    let isOpen = false
    const whenOpen = (deliver: () => void): void => (isOpen ? deliver() : void buffered.push(deliver))
    const subscription = await watcher.watch(hash, {
      onUpdate: (update) =>
        whenOpen(() => {
          send(update)
          counter?.pushed(update.position)
        }),
      onExpired: () => whenOpen(() => end(`event: expired\ndata: ${JSON.stringify({ hash })}\n\n`)),
    })
    const { latest } = subscription
    // No reader: a HEAD call, or a client that disconnected meanwhile.
    if (req.method === 'HEAD' || res.closed) {
      subscription.stop()
      return void res.writeHead(200, HEADERS).end()
    }
    // An EventSource reconnects after the final event; 204 makes it stop.
    if (isFinal(latest.position.status) && lastEventId >= latest.position.version) {
      subscription.stop()
      return void res.status(204).end()
    }

    const heartbeat = setInterval(() => write(': still here\n\n'), heartbeatMs)
    const sendHealth = (isUp: boolean): void =>
      write(`event: ${isUp ? 'restored' : 'degraded'}\ndata: {}\n\n`)
    const stopHealth = health.onChange(sendHealth)
    const stop = (): void => {
      clearInterval(heartbeat)
      stopHealth()
      stopping.removeEventListener('abort', close)
      subscription.stop()
    }
    const close = (): void => end('')
    res.on('close', stop)
    if (counter) countWatcher(counter, res)
    stopping.addEventListener('abort', close)
    res.writeHead(200, HEADERS)
    write('retry: 2000\n\n')
    if (!health.isUp) sendHealth(false)

    function write(text: string): void {
      if (res.writableEnded || res.destroyed) return
      if (res.writableLength > MAX_UNSENT_BYTES) res.destroy()
      else res.write(text)
    }
    /** Sends the last event. Nothing is sent after it, even while the client is still reading. */
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
    if (!(lastEventId >= latest.position.version)) send(latest)
    for (const deliver of buffered) deliver()
    if (stopping.aborted) close()
  }
}

function countWatcher(counter: TransportCounter, res: Response): void {
  counter.watchers++
  res.on('close', () => {
    counter.watchers--
  })
}
