/** Bots write, a relay tells, watchers hear: what that costs the relay, and how long it takes. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Reporting } from './contenders/bots.ts'
import type { Heard } from './contenders/watchers.ts'
import { type Child, startChild } from './measure/child.ts'

export interface Delivered {
  /** Of the relay, for each update that a watcher heard. */
  cpuMicroseconds: number
  p50Ms: number
  p99Ms: number
}

/** What may be lost before nothing can be said about the rest. */
const MOST_LOST = 0.01
const MOST_TRIES = 3
const NOTHING_FOR_MS = 1_000
const LOOK_EVERY_MS = 20
const IDLE_SHARE = 0.1

export interface Others {
  readonly bots: Child
  readonly watchers: Child
  stop(): Promise<void>
}

/** One process that writes and one that hears, for all relays. */
export async function startOthers(redisUrl: string): Promise<Others> {
  const bots = await startChild('bench/contenders/bots.ts', { env: { REDIS_URL: redisUrl } })
  const watchers = await startChild('bench/contenders/watchers.ts')
  return {
    bots,
    watchers,
    async stop() {
      await bots.stop()
      await watchers.stop()
    },
  }
}

/** Waits until it has done what is left of what went before, so that this is not counted with what follows. */
export async function settle(child: Child): Promise<void> {
  for (let cpu = await child.cpuAsItIs(), share = 1; share > IDLE_SHARE; ) {
    await sleep(LOOK_EVERY_MS)
    const now = await child.cpuAsItIs()
    share = (now - cpu) / (LOOK_EVERY_MS * 1000)
    cpu = now
  }
}

/** @param watchersEach how many watch each of the requests that are reported on */
export async function deliver(
  relay: Child,
  others: Others,
  reporting: Reporting,
  watchersEach = 1,
): Promise<Delivered> {
  for (let tries = 1; ; tries++) {
    await settle(relay)
    await others.watchers.ask('reset')
    const before = await relay.cpu()
    const expected = (await others.bots.ask<number>('run', reporting)) * watchersEach
    const { updates, p50Ms, p99Ms } = await allHeard(others.watchers, expected)
    const cpuMicroseconds = ((await relay.cpu()) - before) / updates
    const isWhole = updates >= expected * (1 - MOST_LOST) && updates <= expected
    if (isWhole) return { cpuMicroseconds, p50Ms, p99Ms }
    // Ours makes one state out of several that come at once, as they do where the machine stood still for a moment.
    const lost = `${updates} of ${expected} updates arrived`
    if (tries === MOST_TRIES) throw new Error(lost)
    process.stderr.write(`${lost}: measured again\n`)
  }
}

/** What was heard once all of it was, or nothing more comes. */
async function allHeard(watchers: Child, expected: number): Promise<Heard> {
  let heard = await watchers.ask<Heard>('heard')
  for (let quiet = 0; heard.updates < expected && quiet < NOTHING_FOR_MS; quiet += LOOK_EVERY_MS) {
    await sleep(LOOK_EVERY_MS)
    const now = await watchers.ask<Heard>('heard')
    if (now.updates > heard.updates) quiet = 0
    heard = now
  }
  return heard
}
