/**
 * Asks the credit portal for a person's score, the way a person would: sign in, solve the captcha, have a code sent,
 * ask the person for it, read the report. Steps as in core/services/credit-score-rating.ts.
 *
 * Failures: `portal_unavailable`, `session_lost` and `captcha_failed` may pass and are retried; `portal_changed`, `login_refused`,
 * `otp_expired` and `otp_attempts_exhausted` are final.
 */
import { BotFailure } from '../../../bot-failure.ts'
import type { BotRequest, CreateHandler } from '../../bot-service.ts'
import { createPortalClient, type PortalClient } from '../portal/portal-client.ts'
import { CODE_LENGTH, CODE_SECONDS, maskMobile } from '../portal/portal-code.ts'
import type { PortalPage } from '../portal/portal-page.ts'
import { solveCaptcha } from './captcha.ts'
import { readCreditReport } from './credit-report.ts'

const CAPTCHA_TRIES = 3

export const createHandler: CreateHandler =
  ({ demoPortalUrl }) =>
  async ({ national_code = '', mobile = '' }, request) => {
    const portal = createPortalClient({ baseUrl: demoPortalUrl, signal: request.signal })
    const sentTo = maskMobile(mobile)

    const captchaPage = await signIn(portal, request, { national_code, mobile })
    const sendPage = await passCaptcha(portal, request, captchaPage)

    await request.updateProgress(40, 'sending_otp', `Having a code sent to ${sentTo}…`)
    const codePage = await portal.submit(sendPage.form('send-code'))

    await request.updateProgress(50, 'waiting_otp', `The portal has sent a code to ${sentTo}.`)
    const confirmedPage = await confirmCode(portal, request, codePage, sentTo)

    await request.updateProgress(85, 'processing_result', 'The code was right. Reading your report…')
    return readCreditReport(await portal.submit(confirmedPage.form('confirmed')))
  }

async function signIn(
  portal: PortalClient,
  request: BotRequest,
  person: { national_code: string; mobile: string },
): Promise<PortalPage> {
  await request.updateProgress(5, 'authentication', 'Opening the credit portal…')
  const loginPage = await portal.open('/login')
  await request.updateProgress(12, 'authentication', 'Signing in to the credit portal…')
  const page = await portal.submit(loginPage.form('login'), person)
  if (page.error === 'login-refused') {
    throw new BotFailure(
      'login_refused',
      'The credit portal did not accept the national code or the mobile number.',
    )
  }
  return page
}

/** The portal turns down a right answer now and then; a new question comes with it. */
async function passCaptcha(
  portal: PortalClient,
  request: BotRequest,
  captchaPage: PortalPage,
): Promise<PortalPage> {
  let page = captchaPage
  await request.updateProgress(20, 'captcha_solving', 'Solving the captcha…')
  for (let tried = 1; ; tried++) {
    page = await portal.submit(page.form('captcha'), { answer: solveCaptcha(page) })
    if (!page.has('captcha')) return page
    request.log.info({ tried }, 'captcha turned down')
    if (tried === CAPTCHA_TRIES) {
      const message = `The portal turned the captcha down ${CAPTCHA_TRIES} times.`
      throw new BotFailure('captcha_failed', message, { retryable: true })
    }
    const again = `The portal turned the captcha down, trying again (${tried + 1} of ${CAPTCHA_TRIES})…`
    await request.updateProgress(20 + 5 * tried, 'captcha_solving', again)
  }
}

/** Asks for the code until the portal takes one; the tries are counted by both sides alike. */
async function confirmCode(
  portal: PortalClient,
  request: BotRequest,
  codePage: PortalPage,
  sentTo: string,
): Promise<PortalPage> {
  let page = codePage
  const ask = async (message: string): Promise<void> => {
    page.form('code') // A portal that wants something else must not have a person wait for a code.
    await request.markAsOtpRequired({
      length: CODE_LENGTH,
      sent_to: sentTo,
      message,
      expires_in: CODE_SECONDS,
    })
  }
  const onResend = async (): Promise<void> => {
    await request.updateProgress(50, 'waiting_otp', `Having another code sent to ${sentTo}…`)
    page = await portal.submit(page.form('resend'))
    await ask(`The portal has sent another code to ${sentTo}. The one before no longer works.`)
  }

  const onExpired = (): Promise<void> =>
    request.updateProgress(50, 'waiting_otp', 'The time for this code is over. You can have a new one sent.')

  await ask(`The portal has sent a code of ${CODE_LENGTH} digits to ${sentTo}.`)
  for (;;) {
    const code = await request.waitForOtp({ onResend, onExpired })
    await request.updateProgress(70, 'verifying_otp', 'Checking your code at the portal…')
    page = await portal.submit(page.form('code'), { code })
    if (page.error === 'code-expired') {
      throw new BotFailure('otp_expired', 'The code came too late for the portal.')
    }
    if (page.error !== 'code-wrong' && page.error !== 'code-locked') return page

    const askedAgain = await request.rejectOtp('The portal says that this code is not right.')
    if (!askedAgain || page.error === 'code-locked') {
      throw new BotFailure('otp_attempts_exhausted', 'The code was wrong too many times.')
    }
    await request.updateProgress(70, 'waiting_otp', 'That code was not right. Waiting for the right one…')
  }
}
