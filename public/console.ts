/**
 * The script of the console's pages: it loads the page again after each event of the server's stream.
 * What the operator has typed, chosen, opened and focused stays.
 */
import { Idiomorph } from 'idiomorph'
import { showLocalTimes } from './dom.ts'
import { loadPage } from './load-page.ts'

let isLoading = false
let isDue = false

async function refresh(): Promise<void> {
  // A hidden page loads when it is shown again.
  isDue = document.hidden || isLoading
  if (isDue) return
  isLoading = true
  const page = await loadPage(location.href, { 'X-Refresh': '1' })
  isLoading = false
  // The session is over: the page is that of the sign-in form.
  if (page && new URL(page.address).pathname !== location.pathname) return location.reload()
  if (page) show(page.main)
  if (isDue) void refresh()
}

function show(fresh: HTMLElement): void {
  const main = document.getElementById('main')
  if (!main) return
  Idiomorph.morph(main, fresh, { callbacks: { beforeNodeMorphed: keepState } })
  showLocalTimes(main)
}

/** @returns whether the shown node is to become the next one */
function keepState(shown: Node, next: Node): boolean {
  if (shown instanceof HTMLDetailsElement && next instanceof HTMLDetailsElement) next.open = shown.open
  if (shown instanceof HTMLInputElement && next instanceof HTMLInputElement) {
    next.toggleAttribute('checked', shown.checked)
    next.checked = shown.checked
    if (shown.type === 'text') next.setAttribute('value', shown.value)
  }
  // Its options are the same, and one of them may be chosen.
  return !(shown instanceof HTMLSelectElement)
}

/** The box that chooses all boxes of its table; only a script can serve it. */
function addChooseAll(): void {
  document.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.dataset.chooses === undefined) return
    for (const box of target.form?.querySelectorAll<HTMLInputElement>(`[name="${target.dataset.chooses}"]`) ??
      [])
      box.checked = target.checked
  })
}

const main = document.getElementById('main')
if (main) showLocalTimes(main)
addChooseAll()
const page = encodeURIComponent(location.pathname + location.search)
if (/^\/admin(\/(requests|failed|queues)(\/[\w-]+)?)?\/?$/.test(location.pathname)) {
  const events = new EventSource(`/admin/events?page=${page}`)
  events.addEventListener('changed', () => void refresh())
  // While the connection was lost the page may have changed.
  let isLost = false
  events.addEventListener('error', () => {
    isLost = true
  })
  events.addEventListener('open', () => {
    if (isLost) void refresh()
    isLost = false
  })
}
document.addEventListener('visibilitychange', () => isDue && void refresh())
