/** Messages of a service: its own (`messages`) and the common ones, by key. */
import { commonMessages } from '../domain/common-messages.ts'
import { compile } from '../i18n/compile-messages.ts'
import type { CompiledMessage } from '../i18n/formatter.ts'
import type { Locale } from '../i18n/index.ts'
import type { Service } from './service-definition.ts'
import { textIn } from './text.ts'

type Messages = Readonly<Record<string, CompiledMessage>>

const common = new Map<Locale, Messages>()
const compiled = new WeakMap<Service, Map<Locale, Messages>>()

/** All messages of a service in one language; the common ones for an unknown service. */
export function messagesOfService(service: Service | undefined, locale: Locale): Messages {
  const shared = getOrSet(common, locale, () => commonMessages(locale))
  if (!service) return shared
  const byLocale = getOrSet(compiled, service, () => new Map<Locale, Messages>())
  return getOrSet(byLocale, locale, () => {
    const texts = Object.entries(service.messages).map(([key, text]) => [key, textIn(text, locale)])
    return { ...shared, ...compile(Object.fromEntries(texts)) }
  })
}

function getOrSet<Key extends object | string, Value>(
  map: { get(key: Key): Value | undefined; set(key: Key, value: Value): unknown },
  key: Key,
  create: () => Value,
): Value {
  const present = map.get(key)
  if (present !== undefined) return present
  const value = create()
  map.set(key, value)
  return value
}
