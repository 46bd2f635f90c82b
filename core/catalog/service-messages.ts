/** What the bot of a service says: by key, in the words of the service (`messages`) or the common ones. */

import { commonMessages } from '../domain/common-messages.ts'
import type { LocalizedMessage } from '../domain/message.ts'
import { compile } from '../i18n/compile-messages.ts'
import { type CompiledMessage, createFormatter } from '../i18n/formatter.ts'
import { LOCALES, type Locale } from '../i18n/index.ts'
import type { MessageParams } from '../i18n/localize-message.ts'
import type { Localized, Service } from './define-service.ts'
import { allServices } from './index.ts'

type MessageBuilder<Key extends string> = (key: Key, params?: MessageParams) => LocalizedMessage

/** For a handler: what it says, typed. The English words go along for whoever knows no key. */
export function messageBuilder<Key extends string>({
  messages,
}: Pick<Service<Key>, 'messages'>): MessageBuilder<Key> {
  const t = createFormatter<Key>('en', compiled(messages, 'en'))
  return (key, params) => ({
    message: t(key, params),
    message_key: key,
    ...(params && { message_params: params }),
  })
}

/** All that may be said about a request of this service, which may be one that nobody knows, in one language. */
export const messagesOfService = (slug: string, locale: Locale): Readonly<Record<string, CompiledMessage>> =>
  byService.get(slug)?.[locale] ?? common[locale]

function compiled<Key extends string>(
  messages: Readonly<Record<Key, Localized>> | undefined,
  locale: Locale,
): Readonly<Record<Key, CompiledMessage>> {
  const texts = Object.entries<Localized>(messages ?? {}).map(([key, text]) => [key, text[locale]])
  return compile<Key>(Object.fromEntries(texts))
}

type InAllLanguages = Record<Locale, Readonly<Record<string, CompiledMessage>>>
const inAllLanguages = (
  make: (locale: Locale) => Readonly<Record<string, CompiledMessage>>,
): InAllLanguages => Object.fromEntries(LOCALES.map((locale) => [locale, make(locale)])) as InAllLanguages

const common = inAllLanguages(commonMessages)
const byService: ReadonlyMap<string, InAllLanguages> = new Map(
  allServices().map(({ slug, messages }) => [
    slug,
    inAllLanguages((locale) => ({ ...common[locale], ...compiled(messages, locale) })),
  ]),
)
