/**
 * Fetches an account's statement: sign in, have a code sent, and let the call end; called again with the code, check it
 * in the same visit and read the statement. Steps as in core/services/account-statement.ts.
 *
 * Failures: `portal_unavailable` and `session_lost` may pass and are retried; `portal_changed`, `login_refused` and
 * `otp_attempts_exhausted` are final. A wrong code is `OTP_REJECTED`; one that comes too late has another one sent.
 */
import { BotFailure } from '../../../bot-failure.ts'
import type { BotRequest, CreateHandler } from '../../bot-service.ts'
import { codeRejected, type SmsSent, smsSent } from '../../sms-sent.ts'
import { createPortalClient, type PortalClient } from '../portal/portal-client.ts'
import { CODE_LENGTH, CODE_SECONDS, maskMobile } from '../portal/portal-code.ts'
import type { PortalPage } from '../portal/portal-page.ts'
import { readStatement, type Statement } from './statement.ts'

export const createHandler: CreateHandler =
  ({ demoPortalUrl }) =>
  async ({ account_number = '', mobile = '' }, request) => {
    const portal = createPortalClient({ baseUrl: demoPortalUrl, signal: request.signal })
    const sentTo = maskMobile(mobile)

    await request.updateProgress(5, 'signing_in', 'Opening the portal…')
    const signInPage = await portal.open('/account/login')
    await request.updateProgress(15, 'signing_in', 'Signing in with the account number…')
    const sendPage = await portal.submit(signInPage.form('login'), { account_number, mobile })
    if (sendPage.error === 'login-refused')
      throw new BotFailure(
        'login_refused',
        'The portal did not accept the account number or the mobile number.',
      )

    await request.updateProgress(30, 'sending_otp', `Having a code sent to ${sentTo}…`)
    const codePage = await portal.submit(sendPage.form('send-code'))
    await request.updateProgress(45, 'waiting_otp', `The portal has sent a code to ${sentTo}.`)
    return awaitCode(
      portal,
      codePage,
      sentTo,
      `The portal has sent a code of ${CODE_LENGTH} digits to ${sentTo}.`,
    )
  }

/** Leaves the visit at the portal's code form, for the call that brings the code. */
function awaitCode(portal: PortalClient, codePage: PortalPage, sentTo: string, message: string): SmsSent {
  let page = codePage
  page.form('code') // A portal that wants something else must not have a person wait for a code.

  const sendAnother = async (request: BotRequest, why: string): Promise<SmsSent> => {
    const visit = portal.goOn(request.signal)
    await request.updateProgress(45, 'sending_otp', `${why} Having another code sent to ${sentTo}…`.trim())
    const next = await visit.submit(page.form('resend'))
    await request.updateProgress(45, 'waiting_otp', `The portal has sent another code to ${sentTo}.`)
    const told = `The portal has sent another code to ${sentTo}. The one before no longer works.`
    return awaitCode(visit, next, sentTo, told)
  }

  const verify = async (code: string, request: BotRequest): Promise<Statement | SmsSent> => {
    await request.updateProgress(65, 'verifying_otp', 'Checking your code at the portal…')
    page = await portal.goOn(request.signal).submit(page.form('code'), { code })
    if (page.error === 'code-expired') return sendAnother(request, 'That code came too late for the portal.')
    if (page.error === 'code-wrong') throw codeRejected('The portal says that this code is not right.')
    if (page.error === 'code-locked')
      throw new BotFailure('otp_attempts_exhausted', 'The code was wrong too many times.')
    await request.updateProgress(85, 'reading_statement', 'The code was right. Reading the statement…')
    return readStatement(page)
  }

  return smsSent(
    { length: CODE_LENGTH, sent_to: sentTo, message, expires_in: CODE_SECONDS },
    { verify, resend: (request) => sendAnother(request, '') },
  )
}
