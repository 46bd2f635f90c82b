/**
 * Those who watch requests, each over a connection of its own. They speak Socket.IO by hand (engine.io 4 over a
 * WebSocket), so that hearing costs the same whoever tells them.
 */
import { createHistogram } from 'node:perf_hooks'
import { WebSocket } from 'ws'
import { ready } from '../measure/meter.ts'
import { sinceSent } from '../measure/sent.ts'

export type Kind = 'socket.io' | 'ws'
export interface Watching {
  url: string
  kind: Kind
  hashes: string[]
  /** Requests that are watched over one connection; left out, one. */
  perConnection?: number
}
export interface Heard {
  updates: number
  p50Ms: number
  p99Ms: number
}

/** So many requests begin to be watched at once. */
const AT_ONCE = 200
/** What a text begins with: a packet of engine.io, and in a message one of Socket.IO. */
const EVENT = '42'
const ANSWER = '43'
const [MESSAGE_BYTE, EVENT_BYTE] = Buffer.from(EVENT)

const histogram = createHistogram()

function hear(json: Buffer): void {
  const ms = sinceSent(json)
  if (ms !== null) histogram.record(Math.max(1, Math.round(ms * 1000)))
}

/** Resolves when all are being watched. */
function open({ url, kind }: Watching, hashes: string[]): Promise<void> {
  const path = kind === 'ws' ? '/' : '/socket.io/?EIO=4&transport=websocket'
  const connection = new WebSocket(url.replace('http', 'ws') + path, { perMessageDeflate: false })
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(why))
    connection.on('error', reject)
    connection.on('close', (code) => fail(`the connection was closed (${code})`))
    if (kind === 'ws') {
      connection.once('open', () => connection.send(hashes[0] as string))
      connection.once('message', () => {
        connection.on('message', hear)
        resolve()
      })
    } else connection.on('message', speakSocketIo(connection, hashes, { done: resolve, fail }))
  })
}

function speakSocketIo(
  connection: WebSocket,
  hashes: string[],
  { done, fail }: { done(): void; fail(why: string): void },
): (data: Buffer) => void {
  let answers = 0
  return (data) => {
    if (data[0] === MESSAGE_BYTE && data[1] === EVENT_BYTE) return hear(data)
    const text = data.toString()
    if (text === '2') connection.send('3')
    else if (text.startsWith('0')) connection.send('40')
    else if (text.startsWith('40')) {
      for (const [id, hash] of hashes.entries())
        connection.send(`${EVENT}${id}["request:watch",{"hash":"${hash}"}]`)
    } else if (!/^43\d+\[\{"ok":true/.test(text)) fail(`instead of a good ${ANSWER}: ${text}`)
    else if (++answers === hashes.length) done()
  }
}

async function connect(watching: Watching): Promise<void> {
  const { hashes, perConnection = 1 } = watching
  for (let from = 0; from < hashes.length; ) {
    const opening: Promise<void>[] = []
    for (const until = Math.min(from + AT_ONCE, hashes.length); from < until; from += perConnection)
      opening.push(open(watching, hashes.slice(from, from + perConnection)))
    await Promise.all(opening)
  }
}

const heard = (): Heard => ({
  updates: histogram.count,
  p50Ms: histogram.percentile(50) / 1000,
  p99Ms: histogram.percentile(99) / 1000,
})

ready({ connect, heard, reset: () => histogram.reset() })
