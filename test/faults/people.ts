/** Simulated submitters: they submit, wait, type their code and see the outcome; and the assertions about all of them. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, type TestContext } from 'vitest'
import './fault-meta.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { eventually } from '../helpers/eventually.ts'
import type { Installation } from './installation.ts'
import { type Script, toRequestData } from './scripted.ts'
import { WAYS, type Watcher, type Way, watch } from './watchers.ts'

export interface Person {
  readonly hash: string
  readonly watchers: readonly Watcher[]
  readonly form: { mobile: string; national_code: string }
}

const RETRY_MS = 300

/**
 * Submits with an Idempotency-Key and retries until there is an answer.
 *
 * @returns the request's hash
 */
export async function submit(
  urls: readonly string[],
  form: Person['form'],
  { withinMs = 60_000 } = {},
): Promise<string> {
  const key = randomUUID()
  const until = Date.now() + withinMs
  for (let turn = Math.floor(Math.random() * urls.length); ; turn++) {
    try {
      const answer = await fetch(`${urls[turn % urls.length]}/api/local-requests`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ service_slug: 'credit-score-rating', request_data: form }),
        signal: AbortSignal.timeout(5000),
      })
      const body = (await answer.json()) as PublicView
      if (answer.status === 202) return body.hash
      throw new Error(`a submit was answered ${answer.status}: ${JSON.stringify(body)}`)
    } catch (error) {
      if (Date.now() > until) throw error
      await sleep(RETRY_MS)
    }
  }
}

/** Submits and follows in these ways; by default the ways alternate. */
export async function submitAndWatch(
  { urls }: Pick<Installation, 'urls'>,
  script: Script,
  ways: readonly Way[] = [WAYS[arrivals++ % WAYS.length] as Way],
  beforeSubmit: (form: Person['form']) => void = () => {},
): Promise<Person> {
  const form = toRequestData(script)
  beforeSubmit(form)
  const hash = await submit(urls, form)
  const watchers = ways.map((way, i) => watch(way, urls[(arrivals + i) % urls.length] as string, hash))
  return { hash, watchers, form }
}
let arrivals = 0

/** Creates this many submitters, a few at a time. */
export async function submitMany(
  count: number,
  arriveOne: (i: number) => Promise<Person>,
  atOnce = 20,
): Promise<Person[]> {
  const people: Person[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(atOnce, count) }, async () => {
      while (next < count) {
        const i = next++
        people[i] = await arriveOne(i)
      }
    }),
  )
  return people
}

/** Types each sent code as soon as the request waits for it, until stopped. Reports the answers, null where there was none. */
export function typeCodes(
  installation: Pick<Installation, 'urls' | 'journal'>,
  people: () => readonly Person[],
  onAnswer: (hash: string, status: number | null) => void = () => {},
): () => void {
  let isStopped = false
  const typed = new Set<string>()
  const type = async (person: Person, codes: Map<string, string>): Promise<void> => {
    const shown = person.watchers[0]?.shown
    const code = codes.get(person.hash)
    const id = `${shown?.otp_data?.id} ${code}`
    if (!shown?.requires_otp || code === undefined || typed.has(id)) return
    const url = installation.urls[Math.floor(Math.random() * installation.urls.length)]
    const answer = await fetch(`${url}/api/local-requests/${person.hash}/otp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ otp: code }),
      signal: AbortSignal.timeout(5000),
    }).catch(() => null)
    onAnswer(person.hash, answer?.status ?? null)
    await answer?.body?.cancel()
    if (answer && answer.status < 500) typed.add(id)
  }
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const codes = new Map<string, string>()
      for (const line of installation.journal()) if (line.event === 'code') codes.set(line.hash, line.code)
      await Promise.all(people().map((person) => type(person, codes).catch(() => {})))
      await sleep(100)
    }
  }
  void run()
  return () => {
    isStopped = true
  }
}

export interface Outcome {
  requests: number
  survived: number
  byStatus: Record<string, number>
  /** The longest time from a final state until a watcher showed it. */
  slowest: { ms: number; way: Way | null }
  /** Failures, one line a request. */
  wrong: string[]
}

const MAX_SETTLE_MS = 6000

/** Waits until every request is final and every watcher shows it, or until the timeout; returns the outcomes. */
export async function collectOutcome(
  { urls }: Pick<Installation, 'urls'>,
  people: readonly Person[],
  { withinMs = 60_000 } = {},
): Promise<Outcome> {
  const truths = new Map<string, PublicView | 'missing' | null>()
  const ask = async ({ hash }: Person): Promise<void> => {
    const known = truths.get(hash)
    if (known) return
    const answer = await fetch(`${urls[0]}/api/local-requests/${hash}/status`, {
      signal: AbortSignal.timeout(5000),
    })
    if (answer.ok) {
      const view = (await answer.json()) as PublicView
      truths.set(hash, isFinal(view.status) ? view : null)
    } else {
      await answer.body?.cancel()
      if (answer.status === 404 || answer.status === 410) truths.set(hash, 'missing')
    }
  }
  const isOver = async (): Promise<void> => {
    await Promise.all(people.map((person) => ask(person).catch(() => {})))
    if (!people.every(({ hash }) => truths.get(hash))) throw new Error('not all are final')
  }
  // Polling loads the tested processes: the more requests, the longer the interval.
  await eventually(isOver, { withinMs, everyMs: 300 + people.length }).catch(() => {})
  const allShown = (): void => {
    if (!people.every(({ watchers }) => watchers.every(({ settledAt }) => settledAt)))
      throw new Error('not all know')
  }
  await eventually(allShown, { withinMs: MAX_SETTLE_MS, everyMs: 50 }).catch(() => {})

  const outcome: Outcome = {
    requests: people.length,
    survived: 0,
    byStatus: {},
    slowest: { ms: 0, way: null },
    wrong: [],
  }
  for (const person of people) {
    const truth = truths.get(person.hash) ?? null
    const status = truth === 'missing' ? 'missing' : (truth?.status ?? 'not final')
    outcome.byStatus[status] = (outcome.byStatus[status] ?? 0) + 1
    const complaints =
      truth === null ? ['is not final'] : person.watchers.flatMap((watcher) => findFaults(watcher, truth))
    if (complaints.length === 0) outcome.survived++
    else outcome.wrong.push(`${person.hash}: ${complaints.join('; ')}`)
    for (const watcher of person.watchers) {
      watcher.stop()
      const endedAt =
        truth === null || truth === 'missing' ? Number.NaN : Date.parse(truth.completed_at ?? '')
      const ms = (watcher.settledAt ?? 0) - endedAt
      if (ms > outcome.slowest.ms) outcome.slowest = { ms, way: watcher.way }
    }
  }
  return outcome
}

function findFaults(watcher: Watcher, truth: PublicView | 'missing'): string[] {
  const { way, shown, isGone, wentBack } = watcher
  const complaints = wentBack.map((what) => `${way} was told to go back: ${what}`)
  if (truth === 'missing') {
    if (!isGone) complaints.push(`${way} does not know that it is gone`)
  } else if (describeEnd(shown) !== describeEnd(truth)) {
    complaints.push(`${way} shows ${describeEnd(shown)}, the truth is ${describeEnd(truth)}`)
  }
  return complaints
}

/** The outcome without the version, which grows when another program writes to a final record. */
const describeEnd = (view: PublicView | null): string =>
  view ? JSON.stringify([view.status, view.completed_at, view.result_data, view.error_data]) : 'nothing'

/** Fails with the whole list when a request was lost, and with the log of one of them. */
function expectAllSurvived(
  { requests, survived, wrong, byStatus }: Outcome,
  installation: Installation,
): void {
  const log = wrong.length > 0 ? logOf(installation, wrong[0] as string) : []
  expect({ survived, wrong, byStatus, log }).toEqual({ survived: requests, wrong: [], byStatus, log: [] })
}

/** The last lines about a lost request, and the last warnings and starts of all processes. */
function logOf({ logs, servers, workers, bots }: Installation, wrong: string): string[] {
  const reference = shortReference(wrong.split(':')[0] as string)
  const lines = logs().split('\n')
  const ends = [...servers, ...workers, ...bots].map(({ role, ends }) => `${role} ended: ${ends.join(', ')}`)
  return [
    ...ends,
    ...lines.filter((line) => /"level":[456]0|"msg":"(started|stopp)/.test(line)).slice(-20),
    ...lines.filter((line) => line.includes(reference)).slice(-20),
  ]
}

/** Asserts that the output of the processes contains no submitted data, code or result. */
export function expectNoSecrets(installation: Installation, people: readonly Person[]): void {
  const logs = installation.logs()
  const secrets = people.flatMap(({ form }) => [form.mobile, form.national_code])
  for (const line of installation.journal()) {
    if (line.event === 'code') secrets.push(line.code)
    if (line.event === 'result') secrets.push(line.run)
  }
  expect(secrets.filter((secret) => logs.includes(secret))).toEqual([])
}

/** A request that asks for no code. */
export const plainScript = (steps: number, everyMs: number): Script => ({ kind: 'plain', steps, everyMs })

/** Resolves once this many requests are processing. */
export const waitUntilRunning = (people: readonly Person[], count: number): Promise<void> =>
  eventually(
    () => {
      const running = people.filter(({ watchers }) => (watchers[0]?.shown?.progress ?? 0) > 0).length
      expect(running).toBeGreaterThanOrEqual(count)
    },
    { withinMs: 30_000, everyMs: 20 },
  )

/** Ends a fault: every request must end correctly, and no private data may be logged. */
export async function expectSurvival(
  { task }: TestContext,
  installation: Installation,
  people: readonly Person[],
  { name, withinMs, note }: { name: string; withinMs?: number; note?: () => string },
): Promise<Record<string, number>> {
  const outcome = await collectOutcome(installation, people, { withinMs })
  const { requests, survived, byStatus, slowest } = outcome
  const ends = Object.entries(byStatus).map(([status, count]) => `${count} ${status}`)
  const figures = note ? [note()] : []
  if (slowest.way) figures.push(`slowest client (${slowest.way}) ${(slowest.ms / 1000).toFixed(1)} s`)
  task.meta.fault = { name, requests, survived, note: [...ends, ...figures].join(', ') }
  expectAllSurvived(outcome, installation)
  expectNoSecrets(installation, people)
  return byStatus
}

/** How often the bot started each request. */
export function countRuns(installation: Installation): Map<string, number> {
  const runs = new Map<string, number>()
  for (const { event, hash } of installation.journal())
    if (event === 'run') runs.set(hash, (runs.get(hash) ?? 0) + 1)
  return runs
}
