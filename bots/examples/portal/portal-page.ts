/** A page of the portal, as the bot reads it. */
import { type CheerioAPI, load } from 'cheerio'
import { BotFailure } from '../../bot-failure.ts'
import { messageBuilder } from '../../bot-server/messages.ts'
import { portalMessages } from './messages.ts'

export interface PortalForm {
  /** Where it is sent, always by POST. */
  readonly action: URL
  /** The hidden fields, the portal's token among them. */
  readonly hidden: Readonly<Record<string, string>>
}

export interface PortalPage {
  readonly $: CheerioAPI
  /** The portal's own error code; null without an error. */
  readonly error: string | null
  has(formName: string): boolean
  /** @throws BotFailure `portal_changed` when the page has no such form */
  form(name: string): PortalForm
  /** A table of names and values, by name; empty when the page has no such table. */
  rows(table: string): Map<string, string>
}

export const collapseSpaces = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** Messages that all services at the portal have. */
export const portalMessage = messageBuilder({ messages: portalMessages })

/**
 * The portal is not as this bot expects it. A retry does not help; the bot has to be changed.
 *
 * @param what for the maintainer; the submitter is shown a general message
 */
export const portalChanged = (what: string): BotFailure =>
  new BotFailure('portal_changed', {
    ...portalMessage('portal_changed'),
    message: `The portal is not as we know it: ${what}.`,
  })

export function parsePortalPage(html: string, address: URL): PortalPage {
  const $ = load(html)
  const find = (name: string) => $('form[method=post]').filter((_, form) => $(form).attr('name') === name)
  return {
    $,
    error: $('[role=alert][data-error]').attr('data-error') ?? null,
    has: (name) => find(name).length === 1,
    form(name) {
      const form = find(name)
      const action = form.attr('action')
      if (action === undefined || !URL.canParse(action, address))
        throw portalChanged(`the form "${name}" is missing`)
      const hidden = form
        .find('input[type=hidden][name]')
        .map((_, input) => [[$(input).attr('name') as string, $(input).attr('value') ?? '']])
      return { action: new URL(action, address), hidden: Object.fromEntries(hidden.get()) }
    },
    rows: (table) =>
      new Map(
        $(`${table} tr`)
          .get()
          .map((row) => [collapseSpaces($(row).find('th').text()), collapseSpaces($(row).find('td').text())]),
      ),
  }
}
