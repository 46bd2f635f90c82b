/** Writes a state into the server's HTML. Elements are found by `data-live`; a page may lack any of them. */
import { isExpiring } from '../core/domain/view-times.ts'
import type { RequestDescription } from '../core/presentation/describe-request.ts'
import { formatTime } from '../core/presentation/format-time.ts'
import { type Page, serverLanguage } from './page-data.ts'
import { isStale, type State } from './reducer.ts'

export const find = (main: HTMLElement, name: string): HTMLElement | null =>
  main.querySelector(`[data-live="${name}"]`)

export function showState(main: HTMLElement, state: State, words: RequestDescription, page: Page): void {
  keepHeight(find(main, 'message'))
  for (const name of [
    'heading',
    'percent',
    'remaining',
    'detail',
    'stepNumber',
    'startsIn',
    'hold',
    'attempt',
    'message',
    'age',
    'advice',
    'otherStep',
  ] as const) {
    write(find(main, name), words[name])
  }
  find(main, 'age')?.setAttribute('data-silence', String(words.silence))
  showBar(main, state, words)
  main.querySelector('.drawing')?.setAttribute('data-drawing', words.drawing)
  showSteps(main, words)
  showConnection(main, state, page)
}

/** A shorter message after a longer one would move everything below it. The height is measured again when the width changes. */
function keepHeight(message: HTMLElement | null): void {
  if (!message) return
  const width = String(message.offsetWidth)
  if (message.dataset.width !== width) message.style.minHeight = ''
  message.dataset.width = width
  message.style.minHeight = `${message.offsetHeight}px`
}

/** The only text that changes on the page of a final state. */
export function showExpiring(main: HTMLElement, { view }: State, page: Page): void {
  write(find(main, 'expiring'), isExpiring(view, page.clock()) ? page.t('live.announce.expiring') : null)
}

/** The last text written to each element, which may show the browser's translation of it by now. */
const lastWritten = new WeakMap<HTMLElement, string>()

/**
 * Writes only a changed text: writing the same one again would drop the selection, make screen readers repeat it, and
 * replace its translation.
 */
export function write(element: HTMLElement | null, text: string | null): void {
  if (!element) return
  element.hidden = text === null
  if (text === null) return
  const before = lastWritten.get(element) ?? element.textContent
  lastWritten.set(element, text)
  if (before !== text) element.textContent = text
}

function showBar(main: HTMLElement, { shown }: State, { value, bar: look }: RequestDescription): void {
  const bar = find(main, 'bar')
  if (!bar) return
  bar.dataset.status = look
  bar.setAttribute('aria-valuenow', String(Math.floor(shown)))
  bar.setAttribute('aria-valuetext', value)
  fillBar(bar, shown)
  const sheen = bar.querySelector<HTMLElement>('.bar-sheen')
  if (sheen) sheen.style.inlineSize = `${shown}%`
}

function fillBar(bar: HTMLElement, percent: number): void {
  bar.querySelector('.bar-fill')?.setAttribute('width', `${percent}%`)
  bar.querySelector('.bar-tip')?.setAttribute('cx', `${percent}%`)
}

/** How long the bar takes to close; the tick of the result page takes as long. */
const CLOSING_MS = 300

/** Fills the bar before the page of the result replaces it. Resolves at once for those who want no motion. */
export async function closeBar(main: HTMLElement): Promise<void> {
  const bar = find(main, 'bar')
  if (!bar || document.hidden || !allowsMotion()) return
  bar.classList.add('closing')
  fillBar(bar, 100)
  await new Promise((resolve) => setTimeout(resolve, CLOSING_MS))
}

export const allowsMotion = (): boolean => !matchMedia('(prefers-reduced-motion: reduce)').matches

function showSteps(main: HTMLElement, { steps }: RequestDescription): void {
  const items = main.querySelectorAll<HTMLElement>('[data-step]')
  const inOrder = steps.flatMap((step) => [step, ...step.parts])
  inOrder.forEach((step, i) => {
    const item = items[i]
    if (!item) return
    item.dataset.state = step.outcome ?? step.state
    // Several substeps may run concurrently; `aria-current` allows only one.
    if (step.state === 'current' && steps.includes(step)) item.setAttribute('aria-current', 'step')
    else item.removeAttribute('aria-current')
    write(item.querySelector('.step-state'), step.text)
  })
}

/** Trouble is shown once, on top; the line below the steps keeps its room. */
function showConnection(main: HTMLElement, { connection, asOf }: State, { t }: Page): void {
  const trouble = isStale(connection) ? connection : null
  main.classList.toggle('stale', trouble !== null)
  const banner = find(main, 'banner')
  if (banner) banner.hidden = !trouble
  const note = find(main, 'connection')
  if (trouble) {
    const time = new Intl.DateTimeFormat(serverLanguage(main), { timeStyle: 'medium' }).format(asOf)
    banner?.setAttribute('data-state', trouble)
    write(find(main, 'as-of'), t(`live.as_of.${trouble}`, { time }))
    if (note) note.dataset.state = 'stale'
    // Without storage the work may stand still, too.
    if (trouble !== 'degraded') write(note, t('live.meanwhile'))
  } else if (connection !== 'connecting') {
    if (note) note.dataset.state = connection
    write(note, t(`live.connection.${connection as 'live' | 'polling'}`))
    write(find(main, 'check'), connection === 'live' ? null : t('live.check'))
  }
}

const STYLES = ['moment', 'second'] as const

/** Rewrites the server's UTC times in the viewer's time zone. */
export function showLocalTimes(main: HTMLElement): void {
  for (const time of main.querySelectorAll<HTMLTimeElement>('time[data-local]')) {
    const { local, since } = time.dataset
    const style = STYLES.find((one) => one === local) ?? 'time'
    time.textContent = formatTime(serverLanguage(main), time.dateTime, style, { since })
  }
}

/** Hides the buttons for what this browser cannot do. */
export function hideUnsupported(main: HTMLElement): void {
  for (const control of main.querySelectorAll<HTMLElement>('[data-copies], [data-share]')) {
    // Sharing copies where there is no other way; beside a button for that it is of no use.
    control.hidden =
      !('share' in navigator && control.dataset.share) &&
      (!('clipboard' in navigator) || control.matches('[data-copies] ~ *'))
  }
}
