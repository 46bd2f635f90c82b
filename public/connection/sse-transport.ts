/**
 * Hearing by the event stream. Read with `fetch`, since an EventSource hides what tells a stream that lives from one
 * that a proxy keeps to itself: heartbeats, and why it was refused.
 */
import type { PublicView } from '../../core/domain/record.ts'
import { get, startRequestLoop } from './request-loop.ts'
import type { Transport, TransportEvents } from './transport.ts'

/** The server says something at once. Where nothing arrives, a proxy collects it. */
const FIRST_WORD_WITHIN_MS = 3000
/** Two heartbeats were missed. */
const SILENCE_MS = 35_000

export const byEventStream: Transport = (request, ears) => {
  const address = request.statusUrl.replace(/status$/, 'events')
  return startRequestLoop(ears, async ({ signal, setTimeoutMs }) => {
    setTimeoutMs(FIRST_WORD_WITHIN_MS)
    const answer = await get(request, address, { Accept: 'text/event-stream' }, signal)
    const type = answer.headers.get('Content-Type') ?? ''
    if (!answer.body || !type.startsWith('text/event-stream')) throw new Error('this is no stream')
    const reader = answer.body.getReader()
    const decoder = new TextDecoder()
    let text = ''
    // A server that is degraded says so in the stream.
    ears.degraded(false)
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new Error('the stream ended')
      setTimeoutMs(SILENCE_MS)
      ears.up()
      const events = (text + decoder.decode(value, { stream: true })).split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) hear(event, ears)
    }
  })
}

function hear(event: string, ears: TransportEvents): void {
  const field = (name: string): string => event.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1] ?? ''
  const type = field('event')
  if (type === 'update') ears.view(JSON.parse(field('data')) as PublicView)
  if (type === 'expired') ears.end('gone')
  if (type === 'degraded' || type === 'restored') ears.degraded(type === 'degraded')
}
