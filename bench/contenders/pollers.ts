/** Programs that ask how their requests stand, each over a connection that it keeps open, and again as soon as it is answered. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { Client } from 'undici'
import { ready } from '../measure/meter.ts'

export interface Polling {
  url: string
  hashes: string[]
  connections: number
  seconds: number
  /** Of each hash, in order: what the answer's tag was when it was read before. */
  tags?: string[]
}
export interface Polled {
  answers: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

interface Question {
  path: string
  headers: Record<string, string>
}

/** Of each server: a turn does not pay for connecting. */
const connectionsTo = new Map<string, Client[]>()

function connectionsOf({ url, connections }: Polling): Client[] {
  const known = connectionsTo.get(url) ?? []
  while (known.length < connections) known.push(new Client(url))
  connectionsTo.set(url, known)
  return known
}

async function poll(polling: Polling): Promise<Polled> {
  const { hashes, tags, seconds } = polling
  const clients = connectionsOf(polling)
  const questions = hashes.map(
    (hash, i): Question => ({
      path: `/api/local-requests/${hash}/status`,
      headers: tags ? { 'if-none-match': tags[i] as string } : {},
    }),
  )
  const histogram = createHistogram()
  const began = performance.now()
  const until = { end: began + seconds * 1000, expected: tags ? 304 : 200, histogram }
  await Promise.all(
    clients.map((client, first) => {
      // Each connection asks for others.
      const mine = questions.filter((_, i) => i % clients.length === first)
      return askOn(client, mine, until)
    }),
  )
  return {
    answers: histogram.count,
    perSecond: (histogram.count / (performance.now() - began)) * 1000,
    p50Ms: histogram.percentile(50) / 1000,
    p99Ms: histogram.percentile(99) / 1000,
  }
}

function askOn(
  client: Client,
  questions: Question[],
  { end, expected, histogram }: { end: number; expected: number; histogram: RecordableHistogram },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = 0
    let sentAt = 0
    const ask = (): void => {
      const { path, headers } = questions[asked++ % questions.length] as Question
      sentAt = performance.now()
      client.dispatch({ method: 'GET', path, headers }, answer)
    }
    const answer = {
      onRequestStart() {},
      onResponseStart(_controller: unknown, status: number) {
        if (status !== expected) reject(new Error(`an answer was ${status}, not ${expected}`))
      },
      onResponseData() {},
      onResponseEnd() {
        const now = performance.now()
        histogram.record(Math.max(1, Math.round((now - sentAt) * 1000)))
        if (now < end) ask()
        else resolve()
      },
      onResponseError(_controller: unknown, error: Error) {
        reject(error)
      },
    }
    ask()
  })
}

/** The tags of the answers as they are now. */
const tagsOf = (url: string, hashes: string[]): Promise<string[]> =>
  Promise.all(
    hashes.map(async (hash) => {
      const answer = await fetch(`${url}/api/local-requests/${hash}/status`)
      await answer.arrayBuffer()
      return answer.headers.get('etag') as string
    }),
  )

ready({ poll, tagsOf })
