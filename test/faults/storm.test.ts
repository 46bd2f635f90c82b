/** A thousand submitters, while a process is killed every second. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { isFinal } from '../../core/domain/record.ts'
import { decodeView } from '../../core/records/codec.ts'
import { useRedis } from '../helpers/redis.ts'
import { startInstallation } from './installation.ts'
import { countRuns, expectSurvival, type Person, submitAndWatch, submitMany, typeCodes } from './people.ts'
import type { Kind } from './scripted.ts'

const redis = await useRedis()

const PEOPLE = 1000
const KILLS = 60
/** Submitters arrive during the first part of the storm, so that faults hit the last ones too. */
const ARRIVING_MS = 50_000

test('in a storm of kills every request ends once, and every watcher sees the end', {
  timeout: 300_000,
}, async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: { REDIS_URL: redis.url }, servers: 2, workers: 3 })
  const members = [...halfway.servers, ...halfway.workers, ...halfway.bots]
  const finals = new Map<string, string[]>()
  const listener = await redis.connections.connect('subscriber')
  await listener.psubscribe('local_request_updates:*')
  listener.on('pmessage', (_pattern, _channel, json: string) => {
    const view = decodeView(json)
    if (view && isFinal(view.status)) finals.set(view.hash, [...(finals.get(view.hash) ?? []), view.status])
  })

  const people: Person[] = []
  ctx.onTestFinished(typeCodes(halfway, () => people))
  const kindOf = (i: number): Kind => (i % 10 < 7 ? 'plain' : i % 10 < 9 ? 'open-call' : 'called-again')
  const startedAt = performance.now()
  const arriving = submitMany(
    PEOPLE,
    async (i) => {
      await sleep(Math.max(0, startedAt + (i * ARRIVING_MS) / PEOPLE - performance.now()))
      const person = await submitAndWatch(halfway, { kind: kindOf(i), steps: 8, everyMs: 300 })
      people.push(person)
      return person
    },
    100,
  )
  const killed: Record<string, number> = {}
  for (let i = 0; i < KILLS; i++) {
    await sleep(1000)
    const member = members[Math.floor(Math.random() * members.length)]
    if (!member) continue
    killed[member.role] = (killed[member.role] ?? 0) + 1
    void member.kill('SIGKILL')
  }
  await arriving
  const again = (): number => [...countRuns(halfway).values()].filter((runs) => runs > 1).length
  const hits = Object.entries(killed).map(([role, count]) => `${role} ${count}`)
  await expectSurvival(ctx, halfway, people, {
    name: 'storm: a random kill every second for 60 s',
    withinMs: 120_000,
    note: () => `killed: ${hits.join(', ')}; started again: ${again()}`,
  })
  expect(people.length).toBe(PEOPLE)
  expect([...finals].filter(([, states]) => states.length > 1)).toEqual([])
})
