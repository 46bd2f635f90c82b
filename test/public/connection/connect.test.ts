/** The page's own connection, through proxies that hinder it, to a real server. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { isFinal, type PublicView, toPublicView } from '../../../core/domain/record.ts'
import { connect, type LiveConnection } from '../../../public/connection/connect.ts'
import { type Connection, firstState, reduce, type State } from '../../../public/reducer.ts'
import { eventually } from '../../helpers/eventually.ts'
import {
  type HostileProxy,
  type RequestKind,
  startHostileProxy,
  type Treatment,
} from '../../helpers/hostile-proxy.ts'
import { aHash, progressTo, START, TTL_SECONDS } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { type TestServer, useServer } from '../../helpers/server.ts'

// The page gives a hindered way some seconds before it takes another: the tests of a group wait together.
vi.setConfig({ testTimeout: 40_000, maxConcurrency: 50 })
// What connection.ts asks the browser.
Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true })

const redis = await useRedis()
const server = await useServer(redis)
const guarded = await useServer(redis, { settings: { OWNER_CHECK: 'all' } })
const { given, apply } = server
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const SOON = { withinMs: 20_000 }

interface TestPage {
  hash: string
  proxy: HostileProxy
  connection: LiveConnection
  /** What it shows now. */
  readonly view: PublicView
  /** Every version it was told, in order. */
  told: number[]
  /** What it said about its connection, without repetitions. */
  said: Connection[]
  ends: string[]
}

const pages: TestPage[] = []
afterAll(() => {
  for (const page of pages) page.connection.close()
})

/** Opens the page of a request, behind a proxy of its own. */
async function open(
  treatments: Partial<Record<RequestKind, Treatment>> = {},
  {
    at = server,
    hash,
    isMultiplexed = true,
  }: { at?: TestServer; hash?: string; isMultiplexed?: boolean } = {},
): Promise<TestPage> {
  const proxy = await startHostileProxy(at.address)
  proxy.setTreatments(treatments)
  const known = hash ?? (await given([START]))
  const stored = await server.store.read(known)
  const first = stored ? toPublicView(stored.record, Date.now()) : ({ hash: known, version: 1 } as PublicView)
  let state: State = firstState(first, Date.now())
  const page: TestPage = {
    hash: known,
    proxy,
    told: [],
    said: [],
    ends: [],
    get view() {
      return state.view
    },
    connection: connect({
      hash: known,
      statusUrl: `${proxy.address}/api/local-requests/${known}/status`,
      version: () => state.view.version,
      isMultiplexed,
      onView(view) {
        page.told.push(view.version)
        state = reduce(state, { type: 'view', view, at: Date.now() })
      },
      onGone: () => page.ends.push('gone'),
      onNotOwner: () => page.ends.push('not_owner'),
      onConnection(connection) {
        if (page.said.at(-1) !== connection) page.said.push(connection)
      },
    }),
  }
  pages.push(page)
  return page
}

/** Resolves once the page says so and this alone is open. */
const settled = (page: TestPage, connection: Connection, kinds: RequestKind[]): Promise<void> =>
  eventually(() => {
    expect(page.said.at(-1)).toBe(connection)
    expect(page.proxy.openRequests()).toEqual(kinds)
  }, SOON)

const pollsOf = ({ proxy }: TestPage): number => proxy.requests.filter(({ kind }) => kind === 'poll').length

/** Resolves once the page shows a change that is made now: by the first poll that begins after it, if not before. */
async function hears(page: TestPage, progress: number): Promise<void> {
  await apply(page.hash, progressTo(progress))
  const before = pollsOf(page)
  await eventually(() => expect(page.view.progress).toBe(progress), SOON)
  expect(pollsOf(page) - before).toBeLessThanOrEqual(1)
}

/** The same where polls are of no help: by its socket or event stream alone. */
async function isPushed(page: TestPage, progress: number): Promise<void> {
  page.proxy.setTreatments({ poll: 'swallow' })
  await apply(page.hash, progressTo(progress))
  await eventually(() => expect(page.view.progress).toBe(progress), SOON)
}

/** The page asks for nothing more, but for what is on its way: looked at when all tests are through. */
const silent: { page: TestPage; since: number }[] = []
const staysSilent = (page: TestPage): void => void silent.push({ page, since: performance.now() + 500 })

const kindsAsked = ({ proxy }: TestPage): RequestKind[] => [
  ...new Set(proxy.requests.map(({ kind }) => kind)),
]

/** What must be in the way for a page to hear so. */
const HINDRANCES = [
  ['socket', {}],
  ['stream', { socket: 'refuse' }],
  ['poll', { socket: 'refuse', stream: 'refuse' }],
] as const
const polling = await open(HINDRANCES[2][1])

describe.concurrent('a page', () => {
  test('hears by its socket, and asks beside it only how the request stands', async () => {
    const page = await open()
    await settled(page, 'live', ['socket'])
    await eventually(() => expect(kindsAsked(page)).toEqual(['socket', 'poll']), SOON)
    await isPushed(page, 10)
    page.connection.close()
  })

  test('whose socket is refused, or never answered, hears by the event stream', async () => {
    for (const page of await Promise.all([open({ socket: 'refuse' }), open({ socket: 'swallow' })])) {
      await eventually(() => expect(page.proxy.openRequests()).toContain('stream'), SOON)
      await eventually(() => expect(page.said).toEqual(['live']), SOON)
      await isPushed(page, 10)
      await isPushed(page, 20)
      page.connection.close()
    }
  })

  test('without a socket opens no event stream where it would hold one of few connections, and polls', async () => {
    const page = await open({ socket: 'refuse' }, { isMultiplexed: false })
    await settled(page, 'polling', [])
    await hears(page, 10)
    expect(kindsAsked(page)).toEqual(['socket', 'poll'])
    page.connection.close()
  })

  test('whose event stream is refused, collected or held back as well polls', async () => {
    const treatments: Treatment[] = ['refuse', 'collect', 'hold']
    const all = await Promise.all(treatments.map((how) => open({ socket: 'refuse', stream: how })))
    await Promise.all(
      all.map(async (page) => {
        await eventually(() => expect(page.said.at(-1)).toBe('polling'), SOON)
        await hears(page, 10)
        expect(page.said).not.toContain('live')
        page.connection.close()
      }),
    )
  })

  test('whose open socket or event stream is held back is never far behind, and says that it polls', async () => {
    const all = await Promise.all(HINDRANCES.slice(0, 2).map(([, how]) => open(how)))
    await Promise.all(
      all.map(async (page, i) => {
        const [kind] = HINDRANCES[i]!
        await settled(page, 'live', [kind])
        page.proxy.setTreatments({ [kind]: 'hold', stream: 'hold' })
        await hears(page, 10)
        await eventually(() => expect(page.said.at(-1)).toBe('polling'), SOON)
        await hears(page, 20)
        page.connection.close()
      }),
    )
  })

  test.each(HINDRANCES.slice(0, 2))(
    'of a server that answers nothing any more says so, though its %s is open',
    async (kind, how) => {
      const page = await open(how)
      await settled(page, 'live', [kind])
      page.proxy.setTreatments({ socket: 'hold', stream: 'swallow', poll: 'swallow' })
      await eventually(() => expect(page.said.at(-1)).toBe('reconnecting'), { withinMs: 40_000 })
      page.connection.close()
    },
  )

  test('lets go of its event stream while it is hidden, and asks at once when it is shown again', async () => {
    const page = await open({ socket: 'refuse' })
    await settled(page, 'live', ['stream'])
    page.connection.setHidden(true)
    await settled(page, 'polling', [])
    await hears(page, 10)
    await apply(page.hash, progressTo(20))
    page.connection.setHidden(false)
    await eventually(() => expect(page.view.progress).toBe(20), SOON)
    await settled(page, 'live', ['stream'])
    page.connection.close()
  })

  test('takes a better way as soon as there is one, and lets go of the worse', async () => {
    const page = await open({ socket: 'refuse', stream: 'refuse' })
    await settled(page, 'polling', [])
    page.proxy.setTreatments({ stream: 'pass' })
    await settled(page, 'live', ['stream'])
    page.proxy.setTreatments({ socket: 'pass' })
    page.connection.refresh()
    await settled(page, 'live', ['socket'])
    await isPushed(page, 10)
    page.connection.close()
  })

  test('asks less and less often for a socket that is refused', async () => {
    const page = await open({ socket: 'refuse' })
    await settled(page, 'live', ['stream'])
    const times = (): number[] =>
      page.proxy.requests.filter(({ kind }) => kind === 'socket').map(({ at }) => at)
    await eventually(() => expect(times()).toHaveLength(5), SOON)
    // The fifth is tried 5.6 s after the fourth, give or take a half.
    const [fourth = 0, fifth = 0] = times().slice(3)
    expect(fifth - fourth).toBeGreaterThan(2700)
    page.connection.close()
  })

  test('says nothing of a loss that is soon made good, and asks nobody else meanwhile', async () => {
    const page = await open()
    await settled(page, 'live', ['socket'])
    page.proxy.cut('socket')
    await eventually(() =>
      expect(page.proxy.requests.filter(({ kind }) => kind === 'socket')).toHaveLength(2),
    )
    await hears(page, 10)
    expect(page.said).toEqual(['live'])
    expect(kindsAsked(page)).not.toContain('stream')
    page.connection.close()
  })

  test('is there again when the server is, whichever way it hears', async () => {
    await Promise.all(
      HINDRANCES.slice(0, 2).map(async ([kind, treatments]) => {
        const page = await open(treatments)
        await settled(page, 'live', [kind])
        await page.proxy.stop()
        await eventually(() => expect(page.said.at(-1)).toBe('reconnecting'), SOON)
        await apply(page.hash, progressTo(30))
        await page.proxy.restart()
        await eventually(() => expect(page.view.progress).toBe(30), SOON)
        await settled(page, 'live', [kind])
        await apply(page.hash, COMPLETE)
        await eventually(() => expect(page.view.status).toBe('completed'))
      }),
    )
  })

  test('takes the best way there is as soon as any works again, however long nothing did', async () => {
    const page = await open({ socket: 'refuse', stream: 'refuse', poll: 'refuse' })
    const streams = (): number => page.proxy.requests.filter(({ kind }) => kind === 'stream').length
    await eventually(() => expect(streams()).toBeGreaterThanOrEqual(4), SOON)
    // Until it has said so, the better ways keep to their own pauses.
    await eventually(() => expect(page.said.at(-1)).toBe('reconnecting'), SOON)
    page.proxy.setTreatments({ stream: 'pass', poll: 'pass' })
    await eventually(() => expect(['polling', 'live']).toContain(page.said.at(-1)), SOON)
    await eventually(() => expect(page.proxy.openRequests()).toEqual(['stream']), SOON)
    page.connection.close()
  })

  test('misses nothing from one way to the next, however fast it comes', async () => {
    const page = await open()
    await settled(page, 'live', ['socket'])
    let last = 2
    let isRunning = true
    const writing = (async () => {
      while (isRunning) {
        await apply(page.hash, progressTo(50, `${last}`))
        last++
        await sleep(20)
      }
    })()
    const through = async (kind: RequestKind): Promise<void> => {
      await eventually(() => expect(page.proxy.openRequests()).toEqual([kind]), SOON)
      const from = last
      await eventually(() => expect(page.view.version).toBeGreaterThan(from))
    }
    page.proxy.setTreatments({ socket: 'refuse' })
    page.proxy.cut('socket')
    await through('stream')
    page.proxy.setTreatments({ stream: 'refuse' })
    page.proxy.cut('stream')
    await eventually(() => expect(page.proxy.requests.at(-1)?.kind).toBe('poll'), SOON)
    const from = last
    await eventually(() => expect(page.view.version).toBeGreaterThan(from), SOON)
    page.proxy.setTreatments({ socket: 'pass' })
    page.connection.refresh()
    await through('socket')
    isRunning = false
    await writing
    await eventually(
      () => expect(page.view).toMatchObject({ version: last, current_message: `${last - 1}` }),
      SOON,
    )
    page.connection.close()
  })

  test.each(HINDRANCES)('is done with the final state, heard by %s', async (_kind, treatments) => {
    const page = await open(treatments)
    await eventually(() => expect(page.said.length).toBeGreaterThan(0), SOON)
    await apply(page.hash, COMPLETE)
    await eventually(() => expect(isFinal(page.view.status)).toBe(true), SOON)
    await eventually(() => expect(page.proxy.openRequests()).toEqual([]))
    page.connection.refresh()
    page.connection.reconnect()
    staysSilent(page)
    expect(page.ends).toEqual([])
  })

  test.each(HINDRANCES)(
    "whose request is not there, or somebody else's, is told so once, by %s",
    async (kind, how) => {
      const hash = await given([START])
      const [unknown, expired, foreign] = await Promise.all([
        open(how, { hash: aHash() }),
        open(how, { hash: aHash(Date.now() - TTL_SECONDS * 1000) }),
        open(how, { hash, at: guarded }),
      ])
      for (const page of [unknown, expired, foreign]) {
        await eventually(() => expect(page.ends).toHaveLength(1), SOON)
        expect(kindsAsked(page)).toContain(kind)
        await eventually(() => expect(page.proxy.openRequests()).toEqual([]))
        staysSilent(page)
      }
      expect([unknown, expired, foreign].map((page) => page.ends)).toEqual([
        ['gone'],
        ['gone'],
        ['not_owner'],
      ])
    },
  )

  test.each(HINDRANCES.slice(0, 2))('hears by %s that the time of its request is over', async (kind, how) => {
    const page = await open(how, {
      hash: await given([START], { now: Date.now() - TTL_SECONDS * 1000 + 9000 }),
    })
    const asked = (): number => page.proxy.requests.filter((one) => one.kind === kind).length
    await settled(page, 'live', [kind])
    const before = asked()
    await eventually(() => expect(page.ends).toEqual(['gone']), SOON)
    expect(asked()).toBe(before)
    await eventually(() => expect(page.proxy.openRequests()).toEqual([]))
    staysSilent(page)
  })

  test('does not take the word of a proxy that its request is no more', async () => {
    const page = await open({ socket: 'refuse', stream: 'mistake', poll: 'mistake' })
    await eventually(() => expect(page.said).toEqual(['reconnecting']), SOON)
    page.proxy.setTreatments({ poll: 'pass' })
    await eventually(() => expect(page.said.at(-1)).toBe('polling'), SOON)
    expect(page.ends).toEqual([])
    page.connection.close()
  })

  test('asks a server that is busy again when it was told to, and not before', async () => {
    const page = await open({ socket: 'refuse', stream: 'busy', poll: 'busy' })
    const times = (kind: RequestKind): number[] =>
      page.proxy.requests.filter((one) => one.kind === kind).map(({ at }) => at)
    await eventually(() => expect(times('poll')).toHaveLength(2), SOON)
    for (const all of [times('stream'), times('poll')])
      for (const [i, at] of all.slice(1).entries()) expect(at - all[i]!).toBeGreaterThan(2990)
    page.connection.close()
  })

  test('asks at once when somebody wants to know, and opens everything anew when the network was away', async () => {
    const page = await open()
    const asked = (kind: RequestKind): number => page.proxy.requests.filter((one) => one.kind === kind).length
    await settled(page, 'live', ['socket'])
    const before = asked('poll')
    page.connection.refresh()
    await eventually(() => expect(asked('poll')).toBeGreaterThan(before), SOON)
    const [polls, sockets] = [asked('poll'), asked('socket')]
    page.connection.reconnect()
    await eventually(() => expect([asked('poll') > polls, asked('socket')]).toEqual([true, sockets + 1]))
    await settled(page, 'live', ['socket'])
    await isPushed(page, 10)
    page.connection.close()
  })

  test('comes back at another moment than the others that were cut off with it', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => open({ socket: 'refuse' })))
    await Promise.all(all.map((page) => settled(page, 'live', ['stream'])))
    const asked = all.map((page) => page.proxy.requests.length)
    for (const page of all) page.proxy.cut('stream')
    const again = await Promise.all(
      all.map((page, i) =>
        eventually(() => page.proxy.requests.slice(asked[i]).find(({ kind }) => kind === 'stream')!.at, SOON),
      ),
    )
    expect(Math.max(...again) - Math.min(...again)).toBeGreaterThan(250)
    for (const page of all) page.connection.close()
  })
})

test('of a page that is done nothing is left', async () => {
  // One poll of another page later.
  const asked = polling.proxy.requests.length
  const polls = (): number => polling.proxy.requests.slice(asked).filter(({ kind }) => kind === 'poll').length
  await eventually(() => expect(polls()).toBe(1), SOON)
  expect(silent.length).toBeGreaterThan(10)
  for (const { page, since } of silent) expect(page.proxy.requests.filter(({ at }) => at > since)).toEqual([])
  for (const page of pages) page.connection.close()
  await eventually(() => expect(pages.flatMap((page) => page.proxy.openRequests())).toEqual([]))
  await eventually(() => expect([server.live.size, guarded.live.size]).toEqual([0, 0]))
})
