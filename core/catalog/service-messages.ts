/** Messages of a service: its own (`messages`) and the common ones, by key. */

import { commonMessages } from '../domain/common-messages.ts'
import type { LocalizedMessage } from '../domain/message.ts'
import { compile } from '../i18n/compile-messages.ts'
import { type CompiledMessage, createFormatter } from '../i18n/formatter.ts'
import { LOCALES, type Locale } from '../i18n/index.ts'
import type { MessageParams } from '../i18n/localize-message.ts'
import type { Localized, Service } from './define-service.ts'
import { allServices } from './index.ts'

type MessageBuilder<Key extends string> = (key: Key, params?: MessageParams) => LocalizedMessage

/** Builds messages in a handler, with typed keys. The English text is for viewers and programs that do not know the key. */
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

/** All messages of a service in one language; the common ones for an unknown service. */
export const messagesOfService = (slug: string, locale: Locale): Readonly<Record<string, CompiledMessage>> =>
  byService.get(slug)?.[locale] ?? common[locale]

function compiled<Key extends string>(
  messages: Readonly<Record<Key, Localized>> | undefined,
  locale: Locale,
): Readonly<Record<Key, CompiledMessage>> {
  const texts = Object.entries<Localized>(messages ?? {}).map(([key, text]) => [key, text[locale]])
  return compile<Key>(Object.fromEntries(texts))
}

type ByLocale = Record<Locale, Readonly<Record<string, CompiledMessage>>>
const forEachLocale = (toMessages: (locale: Locale) => Readonly<Record<string, CompiledMessage>>): ByLocale =>
  Object.fromEntries(LOCALES.map((locale) => [locale, toMessages(locale)])) as ByLocale

const common = forEachLocale(commonMessages)
const byService: ReadonlyMap<string, ByLocale> = new Map(
  allServices().map(({ slug, messages }) => [
    slug,
    forEachLocale((locale) => ({ ...common[locale], ...compiled(messages, locale) })),
  ]),
)
