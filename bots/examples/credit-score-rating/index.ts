/**
 * Fetches a credit score from the portal: signs in, solves the captcha, has a code sent, asks the submitter for it, reads the
 * report. Steps as in definition.ts.
 *
 * Failures: `portal_unavailable`, `session_lost` and `captcha_failed` are retried; `portal_changed`, `login_refused`,
 * `otp_expired` and `otp_attempts_exhausted` are final.
 */

import { commonMessage } from '../../../core/domain/common-messages.ts'
import type { LocalizedMessage } from '../../../core/domain/message.ts'
import { BotFailure } from '../../bot-failure.ts'
import {
  type BotRequest,
  type BotService,
  type DataOf,
  defineService,
  type Handle,
} from '../../bot-server/define-service.ts'
import { messageBuilder } from '../../bot-server/messages.ts'
import { createPortalClient, type PortalClient } from '../portal/portal-client.ts'
import { CODE_LENGTH, CODE_SECONDS, maskMobile } from '../portal/portal-code.ts'
import type { PortalPage } from '../portal/portal-page.ts'
import type { ExampleSettings } from '../settings.ts'
import { solveCaptcha } from './captcha.ts'
import { readCreditReport } from './credit-report.ts'
import { definition } from './definition.ts'

const CAPTCHA_TRIES = 3

const localized = messageBuilder(definition)

const createHandler =
  ({ portalUrl }: Pick<ExampleSettings, 'portalUrl'>): Handle<DataOf<typeof definition>> =>
  async ({ national_code, mobile }, request) => {
    const portal = createPortalClient({ baseUrl: portalUrl, signal: request.signal })
    const sentTo = maskMobile(mobile)

    const captchaPage = await signIn(portal, request, { national_code, mobile })
    const sendPage = await passCaptcha(portal, request, captchaPage)

    await request.updateProgress(40, 'sending_otp', localized('having_code_sent', { sent_to: sentTo }))
    const codePage = await portal.submit(sendPage.form('send-code'))

    await request.updateProgress(50, 'waiting_otp', localized('code_sent', { sent_to: sentTo }))
    const confirmedPage = await confirmCode(portal, request, codePage, sentTo)

    await request.updateProgress(85, 'processing_result', localized('reading_report'))
    return readCreditReport(await portal.submit(confirmedPage.form('confirmed')))
  }

async function signIn(
  portal: PortalClient,
  request: BotRequest,
  person: { national_code: string; mobile: string },
): Promise<PortalPage> {
  await request.updateProgress(5, 'authentication', localized('opening_portal'))
  const loginPage = await portal.open('/login')
  await request.updateProgress(12, 'authentication', localized('signing_in'))
  const page = await portal.submit(loginPage.form('login'), person)
  if (page.error === 'login-refused') {
    throw new BotFailure('login_refused', localized('login_refused'))
  }
  return page
}

/** The portal sometimes rejects a right answer, and then asks a new question. */
async function passCaptcha(
  portal: PortalClient,
  request: BotRequest,
  captchaPage: PortalPage,
): Promise<PortalPage> {
  let page = captchaPage
  await request.updateProgress(20, 'captcha_solving', localized('solving_captcha'))
  for (let tried = 1; ; tried++) {
    page = await portal.submit(page.form('captcha'), { answer: solveCaptcha(page) })
    if (!page.has('captcha')) return page
    request.log.info({ tried }, 'captcha rejected')
    if (tried === CAPTCHA_TRIES) {
      throw new BotFailure('captcha_failed', localized('captcha_failed', { tries: tried }), {
        retryable: true,
      })
    }
    const again = localized('solving_captcha_again', { number: tried + 1, total: CAPTCHA_TRIES })
    await request.updateProgress(20 + 5 * tried, 'captcha_solving', again)
  }
}

/** Asks for the code until the portal accepts one. Both the portal and the request count the tries. */
async function confirmCode(
  portal: PortalClient,
  request: BotRequest,
  codePage: PortalPage,
  sentTo: string,
): Promise<PortalPage> {
  let page = codePage
  const ask = async (localizedMessage: LocalizedMessage): Promise<void> => {
    page.form('code') // Throws here when the portal shows another page, before the submitter is asked for a code.
    await request.markAsOtpRequired({
      length: CODE_LENGTH,
      sent_to: sentTo,
      ...localizedMessage,
      expires_in: CODE_SECONDS,
    })
  }
  const onResend = async (): Promise<void> => {
    await request.updateProgress(50, 'waiting_otp', localized('having_another_sent', { sent_to: sentTo }))
    page = await portal.submit(page.form('resend'))
    await ask(localized('another_sent', { sent_to: sentTo }))
  }

  const onExpired = (): Promise<void> => request.updateProgress(50, 'waiting_otp', localized('code_expired'))

  await ask(localized('code_of_digits_sent', { digits: CODE_LENGTH, sent_to: sentTo }))
  for (;;) {
    const code = await request.waitForOtp({ onResend, onExpired })
    await request.updateProgress(70, 'verifying_otp', localized('checking_code'))
    page = await portal.submit(page.form('code'), { code })
    if (page.error === 'code-expired') {
      throw new BotFailure('otp_expired', localized('code_too_late'))
    }
    if (page.error !== 'code-wrong' && page.error !== 'code-locked') return page

    const isAskedAgain = await request.rejectOtp(localized('code_wrong'))
    if (!isAskedAgain || page.error === 'code-locked') {
      throw new BotFailure('otp_attempts_exhausted', commonMessage('otp_attempts_exhausted'))
    }
    await request.updateProgress(70, 'waiting_otp', localized('waiting_for_right_code'))
  }
}

export const createService = (settings: Pick<ExampleSettings, 'portalUrl'>): BotService =>
  defineService(definition, createHandler(settings))
