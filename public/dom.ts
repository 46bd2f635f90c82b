/** Writes a state into the page the server made. Elements are found by `data-live`; a page may lack any of them. */
import { isExpiring } from '../core/record.ts'
import { type Described, describe } from '../core/texts/describe.ts'
import { countdown } from '../core/texts/wording.ts'
import type { Page } from './page-data.ts'
import { remainingSeconds, type State } from './reducer.ts'

const live = (name: string): HTMLElement | null => document.querySelector(`[data-live="${name}"]`)

export function showState(state: State, page: Page): void {
  const now = page.clock()
  const words = describe(state.view, { ...page, now, remainingSeconds: remainingSeconds(state, now) })
  // At the code prompt the title may tell of an error, and stays the same anyway.
  if (!state.view.requires_otp) document.title = document.title.replace(/^.*(?= · [^·]*$)/, () => words.title)
  for (const name of ['heading', 'percent', 'remaining', 'queue', 'attempt', 'message', 'age'] as const) {
    write(live(name), words[name])
  }
  showBar(state, words)
  showSteps(words)
  showPrompt(state, page, now)
  showConnection(state, page)
}

/** The one thing that still changes on the page of an outcome. */
export function showExpiring({ view }: State, page: Page): void {
  write(live('expiring'), isExpiring(view, page.clock()) ? page.t('live.announce.expiring') : null)
}

/** Writes only what differs: a rewritten text would lose a selection in it and be read out again. */
function write(element: HTMLElement | null, text: string | null): void {
  if (!element) return
  if (element.hidden !== (text === null)) element.hidden = text === null
  if (text !== null && element.textContent !== text) element.textContent = text
}

function showBar({ view }: State, { value }: Described): void {
  const bar = live('bar')
  bar?.setAttribute('aria-valuenow', String(view.progress))
  bar?.setAttribute('aria-valuetext', value)
  bar?.querySelector('rect')?.setAttribute('width', `${view.progress}%`)
}

function showSteps({ steps }: Described): void {
  const items = document.querySelectorAll<HTMLElement>('[data-step]')
  steps.forEach((step, i) => {
    const item = items[i]
    if (!item) return
    item.dataset.state = step.state
    if (step.state === 'current') item.setAttribute('aria-current', 'step')
    else item.removeAttribute('aria-current')
    write(item.querySelector('.step-state'), step.words)
  })
}

/** The prompt may change while somebody types: its time and its resend button follow, the field is left alone. */
function showPrompt({ view }: State, { t }: Page, now: number): void {
  const prompt = view.otp_data
  const resend = live('resend') as HTMLButtonElement | null
  if (!prompt || !resend) return
  const seconds = Math.ceil((Date.parse(prompt.resend_available_at) - now) / 1000)
  resend.disabled = seconds > 0
  write(resend, seconds > 0 ? t('live.resend_in', { seconds: countdown(seconds) }) : t('live.resend'))
  write(live('resend-wait'), null)
  const until = live('code-until')?.querySelector('time')
  if (until && until.dateTime !== prompt.expires_at) {
    until.dateTime = prompt.expires_at
    showLocalTimes()
  }
}

function showConnection({ connection }: State, { t }: Page): void {
  const isLive = connection === 'live'
  document
    .querySelector('main')
    ?.classList.toggle('stale', connection === 'offline' || connection === 'reconnecting')
  if (connection === 'connecting') return
  const note = live('connection')
  if (note) note.dataset.state = connection
  write(note, t(`live.connection.${connection}`))
  const check = live('check')
  if (check) check.hidden = isLive
}

/** The server writes times in UTC; here they are told as the viewer's own clock shows them. */
export function showLocalTimes(): void {
  const lang = document.documentElement.lang
  for (const time of document.querySelectorAll<HTMLTimeElement>('time[data-local]')) {
    const dateStyle = time.dataset.local === 'moment' ? 'medium' : undefined
    time.textContent = new Intl.DateTimeFormat(lang, { dateStyle, timeStyle: 'short' }).format(
      new Date(time.dateTime),
    )
  }
}
