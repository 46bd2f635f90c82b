/** People, thousands in a process: they submit requests, and each request is watched by several sockets until its end. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { io } from 'socket.io-client'
import { Client } from 'undici'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { addSeen, type Load, type Seen, SLUGS } from './load.ts'

const { URL: url = '', WATCHERS, WATCHERS_OF_A_REQUEST, NETWORK } = process.env
const OPENED_TOGETHER = 50
const RETRY_MS = 500
const TIMEOUT_MS = 5_000
const END_WITHIN_MS = 90_000
/** They come from many addresses: each is a submitter of its own, and has ports of its own. */
const ADDRESSES = Array.from({ length: 64 }, (_, i) => `127.1.${NETWORK}.${i + 1}`)
const clients = ADDRESSES.map((localAddress) => new Client(url, { localAddress }))

/** Retries until there is an answer. @returns null when there is none */
async function submit(i: number, { updates, everyMs }: Load, seen: Seen): Promise<string | null> {
  const request = { service_slug: SLUGS[i % SLUGS.length], request_data: { updates, every_ms: everyMs } }
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() }
  for (const until = performance.now() + END_WITHIN_MS; performance.now() < until; await sleep(RETRY_MS)) {
    try {
      const { statusCode, body } = await (clients[i % clients.length] as Client).request({
        method: 'POST',
        path: '/api/local-requests',
        headers,
        body: JSON.stringify(request),
        headersTimeout: TIMEOUT_MS,
      })
      const view = (await body.json()) as PublicView
      if (statusCode === 202) return view.hash
    } catch {
      // The connection broke.
    }
    seen.resubmits++
  }
  return null
}

/** `isNews` if it was written while the watcher watched, also if the connection was broken at that time. */
type OnView = (view: PublicView, isNews: boolean) => void
/** Watches this request, and no longer the one before. */
type Watch = (hash: string, onView: OnView, onMissing: () => void) => void
type Answer = { ok: true; data: PublicView } | { ok: false; problem: { status: number } }

/** Resolves once the socket is connected. */
function openWatcher(i: number): Promise<Watch> {
  let watched = { hash: '', version: 0, onView: (() => {}) as OnView, onMissing: () => {} }
  // The types do not name it, but the websocket gets it.
  const from = { localAddress: ADDRESSES[i % ADDRESSES.length] }
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelayMax: RETRY_MS,
    ...from,
  })
  const show: OnView = (view, isNews) => {
    if (view.hash !== watched.hash || view.version <= watched.version) return
    watched.version = view.version
    watched.onView(view, isNews)
  }
  const ask = (): void => {
    const { hash, version, onMissing } = watched
    if (!socket.connected || hash === '') return
    socket
      .timeout(TIMEOUT_MS)
      .emit('request:watch', { hash, version }, (_late: Error | null, answer?: Answer) => {
        if (answer?.ok) show(answer.data, version > 0)
        else if (answer && [404, 410].includes(answer.problem.status)) onMissing()
        else setTimeout(() => hash === watched.hash && ask(), RETRY_MS)
      })
  }
  socket.on('connect', ask)
  socket.on('request:update', (view: PublicView) => show(view, true))
  socket.on('request:expired', ({ hash }) => hash === watched.hash && watched.onMissing())
  return new Promise((resolve) =>
    socket.once('connect', () =>
      resolve((hash, onView, onMissing) => {
        socket.emit('request:unwatch', { hash: watched.hash })
        watched = { hash, version: 0, onView, onMissing }
        ask()
      }),
    ),
  )
}

const idle: Watch[] = []
while (idle.length < Number(WATCHERS))
  idle.push(...(await Promise.all(Array.from({ length: OPENED_TOGETHER }, (_, i) => openWatcher(i)))))

/** Resolves once the request has ended and all of its watchers have seen it. */
async function submitAndWatch(i: number, load: Load, seen: Seen): Promise<void> {
  const sentAt = performance.now()
  const hash = await submit(i, load, seen)
  if (hash === null) return void seen.lost.push('a submit got no answer')
  seen.hashes.push(hash)
  const watchers = idle.splice(0, Number(WATCHERS_OF_A_REQUEST))
  if (watchers.length === 0) watchers.push(await openWatcher(i))
  let newest = 0
  const untilEnd = (watch: Watch): Promise<string | null> =>
    new Promise((resolve) => {
      let shown = 'nothing'
      const timer = setTimeout(() => resolve(`a watcher saw ${shown} at last`), END_WITHIN_MS)
      const end = (wrong: string | null): void => {
        clearTimeout(timer)
        resolve(wrong)
      }
      const onView: OnView = (view, isNews) => {
        if (isNews) seen.late.push(Date.now() - Date.parse(view.updated_at))
        seen.updates += Math.max(0, view.version - newest)
        newest = Math.max(newest, view.version)
        shown = `${view.status} ${view.progress} % (version ${view.version})`
        if (!isFinal(view.status)) return
        if (watch === watchers[0] && view.attempt > 1) seen.retried++
        end(view.status === 'completed' ? null : `it ended ${view.status}: ${view.error_data?.code}`)
      }
      watch(hash, onView, () => end(`it was missing after ${shown}`))
    })
  const wrong = await Promise.all(watchers.map(untilEnd))
  seen.took.push(performance.now() - sentAt)
  seen.lost.push(...new Set(wrong.filter((what) => what !== null).map((what) => `${hash}: ${what}`)))
  idle.push(...watchers)
}

process.on('message', async (load: Load) => {
  const seen = addSeen([])
  const startedAt = performance.now()
  const people: Promise<void>[] = []
  for (let i = 0; i < load.seconds * load.requestsPerSecond; i++) {
    await sleep(startedAt + (i * 1000) / load.requestsPerSecond - performance.now())
    people.push(submitAndWatch(i, load, seen))
  }
  await Promise.all(people)
  process.send?.(seen)
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
