/**
 * Receives server-sent events. Uses `fetch` because an EventSource hides what tells a live stream from one that a proxy
 * buffers: heartbeats, and the reason of a refusal.
 */
import type { PublicView } from '../../core/domain/record.ts'
import { get, startRequestLoop } from './request-loop.ts'
import type { Transport, TransportEvents } from './transport.ts'

/** The server writes immediately. Where nothing arrives in this time, a proxy buffers the stream. */
const FIRST_BYTE_TIMEOUT_MS = 3000
/** Two missed heartbeats. */
const IDLE_TIMEOUT_MS = 35_000

export const sseTransport: Transport = (target, events) => {
  const eventsUrl = target.statusUrl.replace(/status$/, 'events')
  return startRequestLoop(events, async ({ signal, setTimeoutMs }) => {
    setTimeoutMs(FIRST_BYTE_TIMEOUT_MS)
    const response = await get(target, eventsUrl, { Accept: 'text/event-stream' }, signal)
    const type = response.headers.get('Content-Type') ?? ''
    if (!response.body || !type.startsWith('text/event-stream')) throw new Error('not an event stream')
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    let text = ''
    // A degraded server sends an event that says so.
    events.degraded(false)
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new Error('the stream ended')
      setTimeoutMs(IDLE_TIMEOUT_MS)
      events.up()
      const blocks = (text + decoder.decode(value, { stream: true })).split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) handleEvent(block, events)
    }
  })
}

function handleEvent(block: string, events: TransportEvents): void {
  const field = (name: string): string => block.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1] ?? ''
  const type = field('event')
  if (type === 'update') events.view(JSON.parse(field('data')) as PublicView)
  if (type === 'expired') events.end('gone')
  if (type === 'degraded' || type === 'restored') events.degraded(type === 'degraded')
}
