/**
 * Fetches an account's statement: signs in, has a code sent, and ends the call; called again with the code, checks it in the
 * same visit and reads the statement. Steps as in definition.ts.
 *
 * Failures: `portal_unavailable` and `session_lost` are retried; `portal_changed`, `login_refused` and
 * `otp_attempts_exhausted` are final. A wrong code is `OTP_REJECTED`; after an expired one another code is sent.
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
import { codeRejected, type SmsSent, smsSent } from '../../bot-server/sms-sent.ts'
import { createPortalClient, type PortalClient } from '../portal/portal-client.ts'
import { CODE_LENGTH, CODE_SECONDS, maskMobile } from '../portal/portal-code.ts'
import type { PortalPage } from '../portal/portal-page.ts'
import type { ExampleSettings } from '../settings.ts'
import { definition } from './definition.ts'
import { readStatement, type Statement } from './statement.ts'

const localized = messageBuilder(definition)

const createHandler =
  ({ portalUrl }: Pick<ExampleSettings, 'portalUrl'>): Handle<DataOf<typeof definition>> =>
  async ({ account_number, mobile }, request) => {
    const portal = createPortalClient({ baseUrl: portalUrl, signal: request.signal })
    const sentTo = maskMobile(mobile)

    await request.updateProgress(5, 'signing_in', localized('opening_portal'))
    const signInPage = await portal.open('/account/login')
    await request.updateProgress(15, 'signing_in', localized('signing_in'))
    const sendPage = await portal.submit(signInPage.form('login'), { account_number, mobile })
    if (sendPage.error === 'login-refused') throw new BotFailure('login_refused', localized('login_refused'))

    await request.updateProgress(30, 'sending_otp', localized('having_code_sent', { sent_to: sentTo }))
    const codePage = await portal.submit(sendPage.form('send-code'))
    await request.updateProgress(45, 'waiting_otp', localized('code_sent', { sent_to: sentTo }))
    const localizedMessage = localized('code_of_digits_sent', { digits: CODE_LENGTH, sent_to: sentTo })
    return awaitCode(portal, codePage, sentTo, localizedMessage)
  }

/** Leaves the visit at the portal's code form, for the call with the code. */
function awaitCode(
  portal: PortalClient,
  codePage: PortalPage,
  sentTo: string,
  localizedMessage: LocalizedMessage,
): SmsSent {
  let page = codePage
  page.form('code') // Throws here when the portal shows another page, before the submitter is asked for a code.

  const sendAnother = async (request: BotRequest, reason: LocalizedMessage): Promise<SmsSent> => {
    const visit = portal.withSignal(request.signal)
    await request.updateProgress(45, 'sending_otp', reason)
    const next = await visit.submit(page.form('resend'))
    const sent = localized('another_sent', { sent_to: sentTo })
    await request.updateProgress(45, 'waiting_otp', sent)
    return awaitCode(visit, next, sentTo, sent)
  }

  const verify = async (code: string, request: BotRequest): Promise<Statement | SmsSent> => {
    await request.updateProgress(65, 'verifying_otp', localized('checking_code'))
    page = await portal.withSignal(request.signal).submit(page.form('code'), { code })
    if (page.error === 'code-expired')
      return sendAnother(request, localized('late_having_another_sent', { sent_to: sentTo }))
    if (page.error === 'code-wrong') throw codeRejected(localized('code_wrong'))
    if (page.error === 'code-locked')
      throw new BotFailure('otp_attempts_exhausted', commonMessage('otp_attempts_exhausted'))
    await request.updateProgress(85, 'reading_statement', localized('reading_statement'))
    return readStatement(page)
  }

  return smsSent(
    { length: CODE_LENGTH, sent_to: sentTo, ...localizedMessage, expires_in: CODE_SECONDS },
    {
      verify,
      resend: (request) => sendAnother(request, localized('having_another_sent', { sent_to: sentTo })),
    },
  )
}

export const createService = (settings: Pick<ExampleSettings, 'portalUrl'>): BotService =>
  defineService(definition, createHandler(settings))
