/** Programs that ask how their requests stand, over and over, on connections that they keep open. */
import { once } from 'node:events'
import { createHistogram } from 'node:perf_hooks'
import autocannon, { type Client, type Options, type Request } from 'autocannon'
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

const SAMPLE_MS = 50

async function poll({ url, hashes, connections, seconds, tags }: Polling): Promise<Polled> {
  const requests: Request[] = hashes.map((hash, i) => ({
    path: `/api/local-requests/${hash}/status`,
    headers: tags ? { 'if-none-match': tags[i] as string } : {},
  }))
  const expected = tags ? 304 : 200
  const histogram = createHistogram()
  let clients = 0
  const began = performance.now()
  const polling: Options = {
    url,
    connections,
    duration: seconds,
    // It ends when it takes a sample.
    sampleInt: SAMPLE_MS,
    // Each connection asks for others.
    setupClient(client: Client) {
      const mine = requests.filter((_, i) => i % connections === clients)
      clients++
      client.setRequests(mine)
    },
  }
  // With a callback it hands out what can be listened to.
  const run = autocannon(polling, () => {})
  let wrong = 0
  run.on('response', (_client: Client, status: number, _bytes: number, ms: number) => {
    if (status !== expected) wrong++
    histogram.record(Math.max(1, Math.round(ms * 1000)))
  })
  await once(run, 'done')
  if (wrong > 0 || histogram.count === 0)
    throw new Error(`${wrong} of ${histogram.count} answers were not ${expected}`)
  return {
    answers: histogram.count,
    perSecond: (histogram.count / (performance.now() - began)) * 1000,
    p50Ms: histogram.percentile(50) / 1000,
    p99Ms: histogram.percentile(99) / 1000,
  }
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
