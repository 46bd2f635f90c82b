/** Keeps the form of a question up to date: for how long it is open, and whether another code can be asked for. */
import type { OtpPrompt } from '../core/domain/record.ts'
import { formatCodeExpired, formatResends, formatValidity } from '../core/presentation/format-duration.ts'
import { isResending, resendNote } from '../core/presentation/resend-note.ts'
import { find, showLocalTimes, write } from './dom.ts'
import type { Page } from './page-data.ts'

/** Never changes what was typed. */
export function showPrompt(main: HTMLElement, prompt: OtpPrompt | null, page: Page): void {
  const answer = find(main, 'answer') as HTMLFormElement | null
  if (!prompt || !answer) return
  const { t } = page
  const now = page.clock()
  // The link is for the question before.
  const device = find(main, 'device')
  if (device) device.hidden = device.dataset.prompt !== prompt.id
  const validity = formatValidity(t, prompt.expires_at, now)
  const isClosed = validity === null || prompt.attempts_left <= 0
  const resent = find(main, 'resent')
  const onItsWay = resent?.dataset.onItsWay ?? ''
  write(resent, resendNote(prompt, { onItsWay, read: page.read, now }))
  // It is about the prompt before.
  if (prompt.id !== page.view.otp_data?.id) write(main.querySelector('#otp-error'), null)
  write(find(main, 'code-left'), validity)
  // Not while another code is on its way.
  const isOver = validity === null && !isResending(prompt, now)
  write(find(main, 'code-over'), isOver ? formatCodeExpired(t, prompt) : null)
  const until = find(main, 'code-until')
  if (until) until.hidden = validity === null
  const time = until?.querySelector('time')
  if (time && time.dateTime !== prompt.expires_at) {
    time.dateTime = prompt.expires_at
    showLocalTimes(main)
  }
  showResend(main, prompt, page, isClosed)
  const resend = find(main, 'resend') as HTMLButtonElement | null
  const next = resend && !resend.hidden && !resend.disabled ? resend : find(main, 'heading')
  if (answer.hasAttribute('data-closed') !== isClosed) setClosed(answer, isClosed, next)
}

function showResend(main: HTMLElement, prompt: OtpPrompt, { t, clock }: Page, isClosed: boolean): void {
  const button = find(main, 'resend') as HTMLButtonElement | null
  if (!button) return
  const resends = formatResends(t, prompt, clock())
  if (button.form) button.form.hidden = resends === null
  button.hidden = prompt.resends_left === 0
  button.disabled = resends !== null && resends.seconds > 0
  button.classList.toggle('button-quiet', !isClosed)
  write(find(main, 'resend-wait'), resends?.text ?? null)
}

/** The field stays visible, with what was typed. A focus in it moves to what can be done now. */
function setClosed(answer: HTMLFormElement, isClosed: boolean, next: HTMLElement | null): void {
  const { activeElement } = answer.getRootNode() as Document | ShadowRoot
  const hadFocus = answer.contains(activeElement)
  answer.toggleAttribute('data-closed', isClosed)
  for (const control of answer.elements) (control as HTMLInputElement).disabled = isClosed
  if (isClosed && hadFocus) next?.focus()
}
