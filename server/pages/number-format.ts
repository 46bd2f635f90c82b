import { LRUCache } from 'lru-cache'

/** The currencies of bots can be many. */
const formats = new LRUCache<string, Intl.NumberFormat>({ max: 500 })

/** Kept, because making one takes longer than formatting a hundred numbers with it, and a result can have thousands. */
export function numberFormat(locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${locale} ${JSON.stringify(options)}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.NumberFormat(locale, options)
    formats.set(key, format)
  }
  return format
}
