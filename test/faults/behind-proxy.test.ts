/**
 * A rolling restart of everything, behind the samples for nginx and HAProxy: two servers, two workers and two bots, each stopped
 * and started again while people submit, watch their pages and type codes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { missingFor, PROXIES, startProxy } from '../deploy/proxies.ts'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { startInstallation } from './installation.ts'
import { expectSurvival, type Person, submit, typeCodes } from './people.ts'
import { type Kind, toRequestData } from './scripted.ts'
import { type Silence, watch } from './watchers.ts'

const redis = await useRedis()
/** The certificate is checked where the proxy is started; the code of the page cannot be given one. */
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'

const SECONDS = 60
const SUBMITS_A_SECOND = 20
const KINDS: readonly Kind[] = ['plain', 'plain', 'open-call', 'called-again']
/** Ten seconds of work, so that 200 people watch at the same time. */
const WORK = { steps: 20, everyMs: 500 }
/** As in docs/DEPLOY.md: pages have settled at the server before, and workers call the bot before again. */
const PAUSE_MS = 10_000
const MAX_SILENCE_MS = 2_000

for (const name of PROXIES) {
  const missing = missingFor(name)
  test.skipIf(missing)(
    `a rolling restart of everything behind ${name} is no news to those who watch (needs ${missing ?? name})`,
    { timeout: 400_000 },
    async (ctx) => {
      const halfway = await startInstallation(ctx, {
        settings: {
          REDIS_URL: redis.url,
          LOG_LEVEL: 'info',
          TRUST_PROXY: '1',
          DRAIN_SECONDS: '60',
          WORKER_CONCURRENCY: '1000',
        },
        servers: 2,
        workers: 2,
        bots: 2,
      })
      const { url } = await startProxy(name, halfway.urls)
      const behind = { ...halfway, urls: [url] }

      const people: Person[] = []
      const refusedSubmits: string[] = []
      const typed: { hash: string; status: number | null }[] = []
      const isWatching = ({ watchers }: Person): boolean => watchers[0]?.settledAt === null
      ctx.onTestFinished(
        typeCodes(
          behind,
          () => people.filter(isWatching),
          (hash, status) => void typed.push({ hash, status }),
        ),
      )
      async function arrive(i: number): Promise<void> {
        const form = toRequestData({ kind: KINDS[i % KINDS.length] as Kind, ...WORK })
        try {
          // Once: a person who is shown an error has been shown it.
          const hash = await submit(behind.urls, form, { withinMs: 0 })
          people.push({ hash, form, watchers: [watch('page', url, hash)] })
        } catch (error) {
          refusedSubmits.push(String(error))
        }
      }

      const startedAt = performance.now()
      let isOver = false
      let watching = 0
      const arriving: Promise<void>[] = []
      const arrivals = (async () => {
        for (let i = 0; !isOver || i < SECONDS * SUBMITS_A_SECOND; i++) {
          await sleep(startedAt + (i * 1000) / SUBMITS_A_SECOND - performance.now())
          arriving.push(arrive(i))
          watching = Math.max(watching, people.filter(isWatching).length)
        }
      })()
      // Until as many watch as will.
      await sleep(10_000)
      const restarted: string[] = []
      for (const member of [...halfway.bots, ...halfway.workers, ...halfway.servers]) {
        if (member === halfway.servers[1] || member === halfway.bots[1]) await sleep(PAUSE_MS)
        const before = performance.now()
        expect(await member.kill('SIGTERM')).toBe(0)
        const ended = performance.now()
        await sleep(300)
        await member.up()
        const seconds = (ms: number): string => (ms / 1000).toFixed(1)
        restarted.push(`${member.role} ${seconds(ended - before)}+${seconds(performance.now() - ended)} s`)
      }
      isOver = true
      await arrivals
      await Promise.all(arriving)
      // Before their outcome is asked for, which is a load of its own.
      const isSettled = (): void => expect(people.filter(isWatching)).toEqual([])
      await eventually(isSettled, { withinMs: 60_000, everyMs: 500 }).catch(() => {})

      const silences = (): Silence[] =>
        people
          .flatMap(({ watchers }) => watchers.map((one) => one.longestSilence))
          .sort((a, b) => b.ms - a.ms)
      const codes = halfway.journal().filter(({ event }) => event === 'code')
      const ends = await expectSurvival(ctx, halfway, people, {
        name: `rolling restart of everything behind ${name}`,
        note: () =>
          `${watching} watching, restarts: ${restarted.join(', ')}; ${codes.length} codes typed once; longest silence of a page ` +
          `${((silences()[0]?.ms ?? 0) / 1000).toFixed(1)} s (${((silences()[0]?.wallMs ?? 0) / 1000).toFixed(1)} s by the wall clock)`,
      })
      expect(refusedSubmits).toEqual([])
      expect(ends).toEqual({ completed: people.length })
      // A page says that it reconnects after two seconds, which is compared below.
      const troubles = people.flatMap(({ watchers }) => watchers.flatMap((one) => one.troubles))
      expect(troubles.filter((trouble) => trouble !== 'reconnecting')).toEqual([])
      expect(typed.filter(({ status }) => status !== 202)).toEqual([])
      const askedTwice = (all: readonly { hash: string }[]): number =>
        all.length - new Set(all.map(({ hash }) => hash)).size
      expect({
        sent: askedTwice(halfway.journal().filter((line) => line.event === 'code')),
        typed: askedTwice(typed),
      }).toEqual({
        sent: 0,
        typed: 0,
      })
      expect(silences().filter(({ ms }) => ms > MAX_SILENCE_MS)).toEqual([])
      expect(watching).toBeGreaterThanOrEqual(200)
    },
  )
}
