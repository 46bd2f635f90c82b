/** A program that sends requests over HTTP, one after the other or as a batch. */
import { setTimeout as sleep } from 'node:timers/promises'
import { machineMs } from '../measure/machine-clock.ts'
import { ready } from '../measure/meter.ts'
import { REQUEST_DATA, SERVICE } from '../requests.ts'

/** Each request meets an installation that is done with the one before. */
const PAUSE_MS = 5
const REQUEST = { service_slug: SERVICE.slug, request_data: REQUEST_DATA }

async function post<T>(url: string, body: unknown): Promise<T> {
  const response = await fetch(`${url}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

/** By the clock of the machine (machine-clock.ts). */
export interface Sent {
  hash: string
  sentAt: number
  answeredAt: number
}

ready({
  async oneByOne(url: string, count: number): Promise<Sent[]> {
    const all: Sent[] = []
    for (let i = 0; i < count; i++) {
      const sentAt = machineMs()
      const { hash } = await post<{ hash: string }>(url, REQUEST)
      all.push({ hash, sentAt, answeredAt: machineMs() })
      await sleep(PAUSE_MS)
    }
    return all
  },
  /** How long it took, in milliseconds. */
  async batch(url: string, count: number): Promise<number> {
    const requests = Array.from({ length: count }, () => REQUEST)
    const began = performance.now()
    const { accepted } = await post<{ accepted: number }>(url, { requests })
    if (accepted !== count) throw new Error(`${accepted} of ${count} were accepted`)
    return performance.now() - began
  },
})
