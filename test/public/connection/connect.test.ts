/** The page's connection to a real server, through proxies that block or delay its transports. */
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

// A page waits some seconds before it falls back to the next transport: the tests of a group run concurrently.
vi.setConfig({ testTimeout: 40_000, maxConcurrency: 50 })
// The browser API that connection-status.ts reads.
Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true })

const redis = await useRedis()
const server = await useServer(redis)
const guarded = await useServer(redis, { settings: { OWNER_CHECK: 'all' } })
const crowded = await useServer(redis, { settings: { SOCKETS_PER_ADDRESS: '1', STREAMS_PER_ADDRESS: '1' } })
const { given, apply } = server
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const SOON = { withinMs: 20_000 }

interface TestPage {
  hash: string
  proxy: HostileProxy
  connection: LiveConnection
  /** The view shown now. */
  readonly view: PublicView
  /** The states of its connection, without repetitions. */
  shown: Connection[]
  ends: string[]
}

const pages: TestPage[] = []
afterAll(() => {
  for (const page of pages) page.connection.close()
})

/** Opens the page of a request behind its own proxy. */
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
    shown: [],
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
        state = reduce(state, { type: 'view', view, at: Date.now() })
      },
      onGone: () => page.ends.push('gone'),
      onNotOwner: () => page.ends.push('not_owner'),
      onConnection(connection) {
        if (page.shown.at(-1) !== connection) page.shown.push(connection)
      },
    }),
  }
  pages.push(page)
  return page
}

/** Resolves once the page shows this connection and exactly these requests are open. */
const settled = (page: TestPage, connection: Connection, kinds: RequestKind[]): Promise<void> =>
  eventually(() => {
    expect(page.shown.at(-1)).toBe(connection)
    expect(page.proxy.openRequests()).toEqual(kinds)
  }, SOON)

const countPolls = ({ proxy }: TestPage): number =>
  proxy.requests.filter(({ kind }) => kind === 'poll').length

/** Makes a change, and checks that the page shows it after at most one more poll. */
async function receives(page: TestPage, progress: number): Promise<void> {
  await apply(page.hash, progressTo(progress))
  const before = countPolls(page)
  await eventually(() => expect(page.view.progress).toBe(progress), SOON)
  expect(countPolls(page) - before).toBeLessThanOrEqual(1)
}

/** Makes a change, and checks that the page receives it by socket or event stream alone. */
async function receivesPush(page: TestPage, progress: number): Promise<void> {
  page.proxy.setTreatments({ poll: 'swallow' })
  await apply(page.hash, progressTo(progress))
  await eventually(() => expect(page.view.progress).toBe(progress), SOON)
}

/** Pages that may send nothing more, apart from requests in flight. The last test checks it. */
const silent: { page: TestPage; since: number }[] = []
const staysSilent = (page: TestPage): void => void silent.push({ page, since: performance.now() + 500 })

const requestedKinds = ({ proxy }: TestPage): RequestKind[] => [
  ...new Set(proxy.requests.map(({ kind }) => kind)),
]

/** Each transport, and what must be blocked for a page to use it. */
const BLOCKED = [
  ['socket', {}],
  ['stream', { socket: 'refuse' }],
  ['poll', { socket: 'refuse', stream: 'refuse' }],
] as const
const polling = await open(BLOCKED[2][1])

describe.concurrent('a page', () => {
  test('a page uses its socket, and beside it only polls the status', async () => {
    const page = await open()
    await settled(page, 'live', ['socket'])
    await eventually(() => expect(requestedKinds(page)).toEqual(['socket', 'poll']), SOON)
    await receivesPush(page, 10)
    page.connection.close()
  })

  test.each(BLOCKED.slice(0, 2))(
    'a page whose %s has delivered an update polls every 15 s instead of every 5 s',
    async (kind, treatments) => {
      const page = await open(treatments)
      await settled(page, 'live', [kind])
      await apply(page.hash, progressTo(10))
      await eventually(() => expect(page.view.progress).toBe(10), SOON)
      const polls = () => page.proxy.requests.filter(({ kind }) => kind === 'poll')
      const before = polls().at(-1) ?? page.proxy.requests[0]!
      await eventually(() => expect(polls().at(-1)?.at).toBeGreaterThan(before.at), { withinMs: 30_000 })
      expect(polls().at(-1)!.at - before.at).toBeGreaterThan(10_000)
      page.connection.close()
    },
  )

  test('a page that is refreshed while its socket connects keeps that socket', async () => {
    const page = await open()
    while (page.shown.at(-1) !== 'live') {
      page.connection.refresh()
      await sleep(1)
    }
    await receivesPush(page, 10)
    expect(page.proxy.requests.filter(({ kind }) => kind === 'socket')).toHaveLength(1)
    page.connection.close()
  })

  test('a page whose socket is refused or never answered falls back to the event stream', async () => {
    for (const page of await Promise.all([open({ socket: 'refuse' }), open({ socket: 'swallow' })])) {
      await eventually(() => expect(page.proxy.openRequests()).toContain('stream'), SOON)
      await eventually(() => expect(page.shown).toEqual(['live']), SOON)
      await receivesPush(page, 10)
      await receivesPush(page, 20)
      page.connection.close()
    }
  })

  test('a page whose address has all its sockets falls back to the event stream, and to polling when it has all its streams', async () => {
    const first = await open({}, { at: crowded })
    await settled(first, 'live', ['socket'])
    const second = await open({}, { at: crowded })
    await settled(second, 'live', ['stream'])
    const third = await open({}, { at: crowded })
    await settled(third, 'polling', [])
    await receives(third, 10)
    for (const page of [first, second, third]) page.connection.close()
  })

  test('a page without a socket polls over HTTP/1.1, where an event stream would hold one of few connections', async () => {
    const page = await open({ socket: 'refuse' }, { isMultiplexed: false })
    await settled(page, 'polling', [])
    await receives(page, 10)
    expect(requestedKinds(page)).toEqual(['socket', 'poll'])
    page.connection.close()
  })

  test('a page behind a proxy that blocks sockets and refuses or buffers event streams polls', async () => {
    const treatments: Treatment[] = ['refuse', 'collect', 'hold']
    const all = await Promise.all(treatments.map((stream) => open({ socket: 'refuse', stream })))
    await Promise.all(
      all.map(async (page) => {
        await eventually(() => expect(page.shown.at(-1)).toBe('polling'), SOON)
        await receives(page, 10)
        expect(page.shown).not.toContain('live')
        page.connection.close()
      }),
    )
  })

  test('a page whose open socket or event stream is buffered polls, and shows that it does', async () => {
    const all = await Promise.all(BLOCKED.slice(0, 2).map(([, treatments]) => open(treatments)))
    await Promise.all(
      all.map(async (page, i) => {
        const [kind] = BLOCKED[i]!
        await settled(page, 'live', [kind])
        page.proxy.setTreatments({ [kind]: 'hold', stream: 'hold' })
        await receives(page, 10)
        await eventually(() => expect(page.shown.at(-1)).toBe('polling'), SOON)
        await receives(page, 20)
        page.connection.close()
      }),
    )
  })

  test.each(BLOCKED.slice(0, 2))(
    'a page whose %s is open shows that it reconnects when the server stops answering',
    async (kind, treatments) => {
      const page = await open(treatments)
      await settled(page, 'live', [kind])
      page.proxy.setTreatments({ socket: 'hold', stream: 'swallow', poll: 'swallow' })
      await eventually(() => expect(page.shown.at(-1)).toBe('reconnecting'), { withinMs: 40_000 })
      page.connection.close()
    },
  )

  test('a hidden page closes its event stream, and refreshes immediately when it is shown again', async () => {
    const page = await open({ socket: 'refuse' })
    await settled(page, 'live', ['stream'])
    page.connection.setHidden(true)
    await settled(page, 'polling', [])
    await receives(page, 10)
    await apply(page.hash, progressTo(20))
    page.connection.setHidden(false)
    await eventually(() => expect(page.view.progress).toBe(20), SOON)
    await settled(page, 'live', ['stream'])
    page.connection.close()
  })

  test('a page switches to a better transport as soon as it works, and stops the worse', async () => {
    const page = await open({ socket: 'refuse', stream: 'refuse' })
    await settled(page, 'polling', [])
    page.proxy.setTreatments({ stream: 'pass' })
    await settled(page, 'live', ['stream'])
    page.proxy.setTreatments({ socket: 'pass' })
    page.connection.refresh()
    await settled(page, 'live', ['socket'])
    await receivesPush(page, 10)
    page.connection.close()
  })

  test('a refused socket is retried with growing pauses', async () => {
    const page = await open({ socket: 'refuse' })
    await settled(page, 'live', ['stream'])
    const times = (): number[] =>
      page.proxy.requests.filter(({ kind }) => kind === 'socket').map(({ at }) => at)
    await eventually(() => expect(times()).toHaveLength(5), SOON)
    // The fifth try follows 5.6 s after the fourth, give or take a half.
    const [fourth = 0, fifth = 0] = times().slice(3)
    expect(fifth - fourth).toBeGreaterThan(2700)
    page.connection.close()
  })

  test('a page shows no loss that is short, and starts no other transport', async () => {
    /** Resolves with whether the page was connected again before a loss is shown, which a busy machine may delay. */
    async function loseShortly(): Promise<boolean> {
      const page = await open()
      await settled(page, 'live', ['socket'])
      const lostAt = performance.now()
      page.proxy.cut('socket')
      await eventually(() =>
        expect(page.proxy.requests.filter(({ kind }) => kind === 'socket')).toHaveLength(2),
      )
      await receives(page, 10)
      const isShort = performance.now() - lostAt < 1500
      if (isShort) {
        expect(page.shown).toEqual(['live'])
        expect(requestedKinds(page)).not.toContain('stream')
      }
      page.connection.close()
      return isShort
    }
    let isShort = false
    for (let tries = 0; tries < 10 && !isShort; tries++) isShort = await loseShortly()
    expect(isShort).toBe(true)
  })

  test('a page reconnects by the same transport when the server is back', async () => {
    await Promise.all(
      BLOCKED.slice(0, 2).map(async ([kind, treatments]) => {
        const page = await open(treatments)
        await settled(page, 'live', [kind])
        await page.proxy.stop()
        await eventually(() => expect(page.shown.at(-1)).toBe('reconnecting'), SOON)
        await apply(page.hash, progressTo(30))
        await page.proxy.restart()
        await eventually(() => expect(page.view.progress).toBe(30), SOON)
        await settled(page, 'live', [kind])
        await apply(page.hash, COMPLETE)
        await eventually(() => expect(page.view.status).toBe('completed'))
      }),
    )
  })

  test('a page without any connection takes the best transport as soon as any works again', async () => {
    const page = await open({ socket: 'refuse', stream: 'refuse', poll: 'refuse' })
    const streams = (): number => page.proxy.requests.filter(({ kind }) => kind === 'stream').length
    await eventually(() => expect(streams()).toBeGreaterThanOrEqual(4), SOON)
    // Until the loss is shown, the better transports keep their own pauses.
    await eventually(() => expect(page.shown.at(-1)).toBe('reconnecting'), SOON)
    page.proxy.setTreatments({ stream: 'pass', poll: 'pass' })
    await eventually(() => expect(['polling', 'live']).toContain(page.shown.at(-1)), SOON)
    await eventually(() => expect(page.proxy.openRequests()).toEqual(['stream']), SOON)
    page.connection.close()
  })

  test('a page misses no update when it changes transports', async () => {
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

  test.each(BLOCKED)(
    'a page closes its connection on a final state received by %s',
    async (_kind, treatments) => {
      const page = await open(treatments)
      await eventually(() => expect(page.shown.length).toBeGreaterThan(0), SOON)
      await apply(page.hash, COMPLETE)
      await eventually(() => expect(isFinal(page.view.status)).toBe(true), SOON)
      await eventually(() => expect(page.proxy.openRequests()).toEqual([]))
      page.connection.refresh()
      page.connection.reconnect()
      staysSilent(page)
      expect(page.ends).toEqual([])
    },
  )

  test.each(BLOCKED)(
    'a page whose request is missing, expired or foreign ends once, by %s',
    async (kind, treatments) => {
      const hash = await given([START])
      const [unknown, expired, foreign] = await Promise.all([
        open(treatments, { hash: aHash() }),
        open(treatments, { hash: aHash(Date.now() - TTL_SECONDS * 1000) }),
        open(treatments, { hash, at: guarded }),
      ])
      for (const page of [unknown, expired, foreign]) {
        await eventually(() => expect(page.ends).toHaveLength(1), SOON)
        expect(requestedKinds(page)).toContain(kind)
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

  test.each(BLOCKED.slice(0, 2))('a page ends by %s when its request expires', async (kind, treatments) => {
    const page = await open(treatments, {
      hash: await given([START], { now: Date.now() - TTL_SECONDS * 1000 + 9000 }),
    })
    const requests = (): number => page.proxy.requests.filter((one) => one.kind === kind).length
    await settled(page, 'live', [kind])
    const before = requests()
    await eventually(() => expect(page.ends).toEqual(['gone']), SOON)
    expect(requests()).toBe(before)
    await eventually(() => expect(page.proxy.openRequests()).toEqual([]))
    staysSilent(page)
  })

  test('a 404 from a proxy does not end a page', async () => {
    const page = await open({ socket: 'refuse', stream: 'mistake', poll: 'mistake' })
    await eventually(() => expect(page.shown).toEqual(['reconnecting']), SOON)
    page.proxy.setTreatments({ poll: 'pass' })
    await eventually(() => expect(page.shown.at(-1)).toBe('polling'), SOON)
    expect(page.ends).toEqual([])
    page.connection.close()
  })

  test('a page retries a busy server no earlier than Retry-After says', async () => {
    const page = await open({ socket: 'refuse', stream: 'busy', poll: 'busy' })
    const times = (kind: RequestKind): number[] =>
      page.proxy.requests.filter((one) => one.kind === kind).map(({ at }) => at)
    await eventually(() => expect(times('poll')).toHaveLength(2), SOON)
    for (const all of [times('stream'), times('poll')])
      for (const [i, at] of all.slice(1).entries()) expect(at - all[i]!).toBeGreaterThan(2990)
    page.connection.close()
  })

  test('a refresh polls immediately, and a reconnect opens every transport again', async () => {
    const page = await open()
    const requests = (kind: RequestKind): number =>
      page.proxy.requests.filter((one) => one.kind === kind).length
    await settled(page, 'live', ['socket'])
    const before = requests('poll')
    page.connection.refresh()
    await eventually(() => expect(requests('poll')).toBeGreaterThan(before), SOON)
    const [polls, sockets] = [requests('poll'), requests('socket')]
    page.connection.reconnect()
    await eventually(() =>
      expect([requests('poll') > polls, requests('socket')]).toEqual([true, sockets + 1]),
    )
    await settled(page, 'live', ['socket'])
    await receivesPush(page, 10)
    page.connection.close()
  })

  test('pages that were cut off together reconnect at different moments', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => open({ socket: 'refuse' })))
    await Promise.all(all.map((page) => settled(page, 'live', ['stream'])))
    const before = all.map((page) => page.proxy.requests.length)
    for (const page of all) page.proxy.cut('stream')
    const again = await Promise.all(
      all.map((page, i) =>
        eventually(
          () => page.proxy.requests.slice(before[i]).find(({ kind }) => kind === 'stream')!.at,
          SOON,
        ),
      ),
    )
    expect(Math.max(...again) - Math.min(...again)).toBeGreaterThan(250)
    for (const page of all) page.connection.close()
  })
})

test('a closed page sends no request and leaves no connection', async () => {
  // One poll of another page later.
  const before = polling.proxy.requests.length
  const polls = (): number =>
    polling.proxy.requests.slice(before).filter(({ kind }) => kind === 'poll').length
  await eventually(() => expect(polls()).toBe(1), SOON)
  expect(silent.length).toBeGreaterThan(10)
  for (const { page, since } of silent) expect(page.proxy.requests.filter(({ at }) => at > since)).toEqual([])
  for (const page of pages) page.connection.close()
  await eventually(() => expect(pages.flatMap((page) => page.proxy.openRequests())).toEqual([]))
  await eventually(() => expect([server.watcher.size, guarded.watcher.size]).toEqual([0, 0]))
})
