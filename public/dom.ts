/** Writes a state into the server's HTML. Elements are found by `data-live`; a page may lack any of them. */
import { isExpiring } from '../core/domain/view-times.ts'
import type { RequestDescription } from '../core/presentation/describe-request.ts'
import { formatCodeExpired, formatResend } from '../core/presentation/format-duration.ts'
import { type Page, serverLanguage } from './page-data.ts'
import { isStale, type State } from './reducer.ts'

const find = (main: HTMLElement, name: string): HTMLElement | null =>
  main.querySelector(`[data-live="${name}"]`)

export function showState(main: HTMLElement, state: State, words: RequestDescription, page: Page): void {
  for (const name of [
    'heading',
    'percent',
    'remaining',
    'queue',
    'attempt',
    'message',
    'age',
    'otherStep',
  ] as const) {
    write(find(main, name), words[name])
  }
  showBar(main, state, words)
  showSteps(main, words)
  showPrompt(main, state, page)
  showConnection(main, state, page)
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
function write(element: HTMLElement | null, text: string | null): void {
  if (!element) return
  if (element.hidden !== (text === null)) element.hidden = text === null
  if (text === null) return
  const before = lastWritten.get(element) ?? element.textContent
  lastWritten.set(element, text)
  if (before !== text) element.textContent = text
}

function showBar(main: HTMLElement, { view }: State, { value }: RequestDescription): void {
  const bar = find(main, 'bar')
  bar?.setAttribute('data-status', view.status)
  bar?.setAttribute('aria-valuenow', String(view.progress))
  bar?.setAttribute('aria-valuetext', value)
  bar?.querySelector('.bar-fill')?.setAttribute('width', `${view.progress}%`)
  bar?.querySelector('.bar-tip')?.setAttribute('cx', `${view.progress}%`)
  const sheen = bar?.querySelector<HTMLElement>('.bar-sheen')
  if (sheen) sheen.style.inlineSize = `${view.progress}%`
}

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

/** Updates the deadline and the resend button of the prompt, and never the field: the user may be typing. */
function showPrompt(main: HTMLElement, { view }: State, { t, clock }: Page): void {
  const prompt = view.otp_data
  const resend = find(main, 'resend') as HTMLButtonElement | null
  if (!prompt || !resend) return
  const isOffered = prompt.resend_available_at !== null
  if (resend.form) resend.form.hidden = !isOffered
  const seconds = isOffered ? Math.ceil((Date.parse(prompt.resend_available_at ?? '') - clock()) / 1000) : 0
  resend.disabled = seconds > 0
  write(resend, formatResend(t, prompt, seconds))
  write(find(main, 'resend-wait'), null)
  write(
    find(main, 'code-over'),
    clock() < Date.parse(prompt.expires_at) ? null : formatCodeExpired(t, prompt),
  )
  const until = find(main, 'code-until')?.querySelector('time')
  if (until && until.dateTime !== prompt.expires_at) {
    until.dateTime = prompt.expires_at
    showLocalTimes(main)
  }
}

function showConnection(main: HTMLElement, { connection }: State, { t }: Page): void {
  const isLost = isStale(connection)
  main.classList.toggle('stale', isLost)
  if (connection === 'connecting') return
  const note = find(main, 'connection')
  if (note) note.dataset.state = connection
  write(note, t(`live.connection.${connection}`))
  write(find(main, 'check'), connection === 'live' ? null : t(isLost ? 'live.try_now' : 'live.check'))
}

/** Rewrites the server's UTC times in the viewer's time zone. */
export function showLocalTimes(main: HTMLElement): void {
  for (const time of main.querySelectorAll<HTMLTimeElement>('time[data-local]')) {
    const dateStyle = time.dataset.local === 'moment' ? 'medium' : undefined
    time.textContent = new Intl.DateTimeFormat(serverLanguage(main), {
      dateStyle,
      timeStyle: 'short',
    }).format(new Date(time.dateTime))
  }
}

/** Shows the buttons that need script. */
export function revealControls(main: HTMLElement): void {
  const canCopy = 'clipboard' in navigator
  for (const control of main.querySelectorAll<HTMLElement>('[data-print], [data-copies]')) {
    control.hidden = 'copies' in control.dataset && !canCopy
  }
}
