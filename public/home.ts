/**
 * The script of the home page: keeps the list of this browser's requests up to date. One socket tells that a request has
 * changed; the server's page says what is shown. Without a socket the page is asked every five seconds.
 */
import { io, type Socket } from 'socket.io-client'
import type { PublicView } from '../core/domain/record.ts'
import { showLocalTimes } from './dom.ts'
import { loadPage } from './load-page.ts'
import { serverLanguage } from './page-data.ts'

/** Between two loads of the list, however often requests change. */
const LOAD_INTERVAL_MS = 1000
const POLL_MS = 5000
const MAX_RETRY_MS = 60_000

const list = (): HTMLElement | null => document.getElementById('own-requests')
const itemsOf = (section: ParentNode | null): HTMLElement[] => [
  ...(section?.querySelectorAll<HTMLElement>('[data-request]') ?? []),
]
const hashOf = (item: HTMLElement): string => item.dataset.request ?? ''

/** Of each item as the server sent it: an unchanged one is not written again, since the browser may have translated it. */
const sources = new Map<string, string>()
let socket: Socket | null = null
let isLoadDue = false
let lastLoadAt = Number.NEGATIVE_INFINITY

function loadSoon(): void {
  // A hidden page loads when it is shown again.
  if (document.hidden || isLoadDue) return
  isLoadDue = true
  setTimeout(load, Math.max(0, lastLoadAt + LOAD_INTERVAL_MS - performance.now()))
}

async function load(): Promise<void> {
  isLoadDue = false
  lastLoadAt = performance.now()
  const page = await loadPage(location.href)
  // The language was changed in another tab.
  if (page && page.lang !== serverLanguage(document.documentElement)) return location.reload()
  const fresh = page?.main.querySelector<HTMLElement>('#own-requests')
  if (fresh) show(fresh)
}

function show(fresh: HTMLElement): void {
  const section = list()
  const place = section?.querySelector('ul')
  if (!section || !place) return
  const before = new Map(itemsOf(section).map((item) => [hashOf(item), item]))
  const items = itemsOf(fresh).map((item) => {
    const shown = before.get(hashOf(item))
    if (shown && sources.get(hashOf(item)) === item.outerHTML) return shown
    sources.set(hashOf(item), item.outerHTML)
    if (shown && shown.dataset.status !== item.dataset.status) announce(item)
    showLocalTimes(item)
    return item
  })
  const isSame = items.length === before.size && items.every((item, i) => place.children[i] === item)
  if (!isSame) {
    const focused = document.activeElement?.closest<HTMLElement>('[data-request]')
    place.replaceChildren(...items)
    if (focused)
      items
        .find((item) => hashOf(item) === hashOf(focused))
        ?.querySelector('a')
        ?.focus()
  }
  section.hidden = items.length === 0
  watch()
}

function announce(item: HTMLElement): void {
  const region = document.getElementById('polite')
  if (region) region.textContent = item.querySelector('a')?.textContent?.trim() ?? ''
}

/** Ended requests, too: they may be deleted elsewhere. */
function watch(): void {
  const hashes = itemsOf(list()).map(hashOf)
  if (hashes.length === 0) {
    socket?.close()
    socket = null
    return
  }
  socket ??= openSocket()
  if (!socket.connected) return
  for (const hash of hashes) {
    if (watched.has(hash)) continue
    watched.add(hash)
    socket.emit('request:watch', { hash }, (response: { ok: boolean; data?: PublicView }) => {
      if (response.data) compare(response.data)
      else loadSoon()
    })
  }
}

/** By the present connection. */
const watched = new Set<string>()

function compare({ hash, version }: PublicView): void {
  const item = itemsOf(list()).find((item) => hashOf(item) === hash)
  if (item && Number(item.dataset.version) < version) loadSoon()
}

function openSocket(): Socket {
  const opened = io({ transports: ['websocket'], reconnectionDelayMax: MAX_RETRY_MS })
  opened.on('connect', () => {
    watched.clear()
    watch()
  })
  opened.on('request:update', compare)
  opened.on('request:expired', loadSoon)
  return opened
}

for (const item of itemsOf(list())) {
  sources.set(hashOf(item), item.outerHTML)
  showLocalTimes(item)
}
watch()
setInterval(() => {
  if (socket && !socket.connected) loadSoon()
}, POLL_MS)
// Requests may have been started or deleted meanwhile.
document.addEventListener('visibilitychange', loadSoon)
window.addEventListener('pageshow', (event) => event.persisted && loadSoon())
