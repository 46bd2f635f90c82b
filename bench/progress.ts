/** One progress write of a bot; and two bots that write the same requests. */
import { type Child, startChild, startContender } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { type BenchRedis, startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { interleave, interleaveWarm } from './measure/rounds.ts'
import type { Writing, Written } from './measure/writing.ts'
import { seed } from './requests.ts'

const WRITERS = 100
const FOUGHT_OVER = 10
const FIGHTS = 3
/** Until all of what runs is compiled. */
const WARM_UP_SECONDS = 1.2
const PLAIN = 'GET+SETEX+PUBLISH'
const FLOOR = 'bare BullMQ'

interface Measured extends Written {
  cpuMicroseconds: number
  redisMicroseconds: number
  /** That the bot has sent for each write. */
  commands: number
}
interface Bot {
  child: Child
  /** What it alone writes, when it does not fight for others. */
  hashes: string[]
}
interface Fight {
  /** Both in hundredths of the writes that were said to be done. */
  lost: number
  repeated: number
}

export async function progress({
  rounds,
  roundsFar,
  seconds,
}: {
  rounds: number
  roundsFar: number
  seconds: number
}): Promise<Section> {
  const redis = await startRedis()
  const way = await startContender('bench/contenders/far-redis.ts', { REDIS_URL: redis.url })
  const start = async (name: string, url = redis.url): Promise<Bot> => {
    const child = await startChild(`bench/contenders/progress-${name}.ts`, { env: { REDIS_URL: url } })
    const hashes = await seed(redis.client, WRITERS)
    if (name === 'bullmq') await child.ask('add', hashes)
    return { child, hashes }
  }
  const near = await Promise.all([start('ours'), start('plain'), start('bullmq')])
  const rivals = await Promise.all([start('ours'), start('plain')])
  const far = await Promise.all([start('ours', way.url), start('plain', way.url), start('bullmq', way.url)])
  const foughtOver = await seed(redis.client, FOUGHT_OVER)
  const theirs = await seed(redis.client, FOUGHT_OVER)

  const write = async (
    { child, hashes }: Bot,
    writers: number,
    sent: string[],
    forSeconds = seconds,
  ): Promise<Measured> => {
    await redis.client.config('RESETSTAT')
    const [cpu, redisCpu] = [await child.cpu(), await redis.cpu()]
    const writing: Writing = { hashes, writers, seconds: forSeconds }
    const written = await child.ask<Written>('run', writing)
    return {
      ...written,
      cpuMicroseconds: ((await child.cpu()) - cpu) / written.writes,
      redisMicroseconds: ((await redis.cpu()) - redisCpu) / written.writes,
      commands: (await countCalls(redis, sent)) / written.writes,
    }
  }
  const fight = async (bots: Bot[], some: string[]): Promise<Fight> => {
    await redis.client.config('RESETSTAT')
    const before = await versionsOf(redis, some)
    const writing: Writing = { hashes: some, writers: FOUGHT_OVER, seconds }
    const written = await Promise.all(bots.map(({ child }) => child.ask<Written>('run', writing)))
    const writes = written.reduce((sum, each) => sum + each.writes, 0)
    const kept = (await versionsOf(redis, some)) - before
    const scripts = await countCalls(redis, ['evalsha'])
    return { lost: ((writes - kept) / writes) * 100, repeated: ((scripts - writes) / writes) * 100 }
  }
  // Commands of a script are counted too: each of ours begins with one GET, as does reading without one.
  const sent = { ours: ['get'], plain: ['get', 'setex', 'publish'], floor: ['evalsha'] }
  const [ours, plain, floor] = near
  const contenders = {
    ours: () => write(ours, WRITERS, sent.ours),
    plain: () => write(plain, WRITERS, sent.plain),
    floor: () => write(floor, WRITERS, sent.floor),
    oursAlone: () => write(ours, 1, sent.ours),
    plainAlone: () => write(plain, 1, sent.plain),
    floorAlone: () => write(floor, 1, sent.floor),
  }
  const farAway = {
    oursFar: () => write(far[0], 1, sent.ours),
    plainFar: () => write(far[1], 1, sent.plain),
    floorFar: () => write(far[2], 1, sent.floor),
  }
  for (const bot of near) {
    for (const writers of [WRITERS, 1]) await write(bot, writers, [], WARM_UP_SECONDS)
  }
  const children = near.map(({ child }) => child)
  separate(children, [redis])
  const measured = {
    ...(await interleaveWarm(rounds, contenders)),
    ...(await interleaveWarm(roundsFar, farAway)),
  }
  const fights = await interleave(FIGHTS, {
    ours: () => fight([ours, rivals[0]], foughtOver),
    plain: () => fight([plain, rivals[1]], theirs),
  })
  for (const { child } of [...near, ...rivals, ...far]) await child.stop()
  await way.stop()
  await redis.stop()

  const of = (name: keyof typeof measured, what: keyof Measured): number[] =>
    measured[name].map((each) => each[what])
  const row = (what: string, unit: string, value: keyof Measured, alone: '' | 'Alone' | 'Far' = ''): Row => ({
    what,
    unit,
    ours: of(`ours${alone}`, value),
    beside: { [PLAIN]: of(`plain${alone}`, value), [FLOOR]: of(`floor${alone}`, value) },
  })
  const targets = [{ beside: PLAIN, atLeast: 1.5 }]
  return {
    name: 'progress',
    title: 'Progress writes of a bot; GET + SETEX + PUBLISH by hand, job.updateProgress of BullMQ',
    rows: [
      { ...row('writes a second, 1 writer', '/s', 'perSecond', 'Alone'), targets },
      { ...row('writes a second, 1 writer, Redis 2 ms away', '/s', 'perSecond', 'Far'), targets },
      { ...row(`writes a second, ${WRITERS} writers`, '/s', 'perSecond'), targets },
      row('CPU of the bot a write', 'µs', 'cpuMicroseconds'),
      row('CPU of Redis a write', 'µs', 'redisMicroseconds'),
      row('p50, 1 writer', 'ms', 'p50Ms', 'Alone'),
      { ...row('p99, 1 writer', 'ms', 'p99Ms', 'Alone'), withoutRatios: true },
      row(`p50, ${WRITERS} writers`, 'ms', 'p50Ms'),
      { ...row(`p99, ${WRITERS} writers`, 'ms', 'p99Ms'), withoutRatios: true },
      row('commands a write', '', 'commands'),
      {
        what: 'writes lost by two bots on the same requests',
        unit: '%',
        // The worst round, not a good one: one that was lost is one too many.
        ours: [Math.max(...fights.ours.map(({ lost }) => lost))],
        beside: { [PLAIN]: [Math.max(...fights.plain.map(({ lost }) => lost))] },
        targets: [{ atMost: 0 }],
      },
      {
        what: 'commits that had to be repeated there',
        unit: '%',
        ours: [Math.max(...fights.ours.map(({ repeated }) => repeated))],
      },
    ],
  }
}

/** How often these commands ran since the statistics were reset. */
async function countCalls({ client }: BenchRedis, commands: string[]): Promise<number> {
  const stats = await client.info('commandstats')
  const calls = commands.map((name) => new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
  return calls.reduce<number>((sum, count) => sum + Number(count), 0)
}

/** The versions of these requests together: each write adds one, unless it undoes another one. */
async function versionsOf({ client }: BenchRedis, hashes: string[]): Promise<number> {
  const records = await client.mget(hashes.map((hash) => client.names.record(hash)))
  return records.reduce((sum, json) => sum + JSON.parse(json as string).version, 0)
}
