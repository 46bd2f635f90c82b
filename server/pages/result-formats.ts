/** Numbers of a result with their units, as text in the language of the page. */
import type { ResultField } from '../../core/catalog/result-definition.ts'
import { type Text, textIn } from '../../core/catalog/text.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { numberFormat } from './number-format.ts'
import type { ResultContext, ResultNode } from './result-node.ts'

/** A longer text may wrap. */
const MAX_UNBROKEN = 24

const digits = ({ decimals }: ResultField): Intl.NumberFormatOptions =>
  decimals === undefined
    ? { maximumFractionDigits: 20 }
    : { minimumFractionDigits: decimals, maximumFractionDigits: decimals }

export function formatNumber(value: number, field: ResultField, { t, locale }: ResultContext): string {
  // Digits are grouped from five on, because the number may be a year.
  const format = numberFormat(locale, { useGrouping: 'min2', ...digits(field) })
  const { scale, unit } = field
  const number =
    scale === undefined
      ? format.format(value)
      : t('result.of_scale', { value: format.format(value), scale: formatScale(scale, locale) })
  return withUnit(number, unit, locale)
}

export const formatScale = (scale: number, locale: Locale): string =>
  numberFormat(locale, { useGrouping: 'min2', maximumFractionDigits: 20 }).format(scale)

const withUnit = (number: string, unit: Text | undefined, locale: Locale): string =>
  unit === undefined ? number : `${number} ${textIn(unit, locale)}`

/** A value of 14.3 is 14.3 %. */
export const formatPercent = (value: number, field: ResultField, locale: Locale): string =>
  numberFormat(locale, { style: 'unit', unit: 'percent', ...digits(field) }).format(value)

/** @param currency ISO 4217, or its name */
export function formatMoney(
  value: number,
  currency: string | null,
  field: ResultField,
  locale: Locale,
): string {
  const amount = formatAmount(value, currency, field, locale)
  // The hyphen of the English format is too short beside large amounts.
  return value < 0 ? amount.replace('-', '\u2212') : amount
}

function formatAmount(value: number, currency: string | null, field: ResultField, locale: Locale): string {
  if (currency === null || !/^[A-Za-z]{3}$/.test(currency)) {
    const number = numberFormat(locale, digits(field)).format(value)
    return currency === null ? number : `${number} ${currency}`
  }
  const options = { style: 'currency', currency, ...(field.decimals !== undefined && digits(field)) } as const
  return locale === 'fa' ? formatPersianMoney(value, options) : numberFormat(locale, options).format(value)
}

/** Persian has the currency after the amount, as a word: the symbol where it is a word («ریال»), else the name («یورو»). */
function formatPersianMoney(value: number, options: Intl.NumberFormatOptions): string {
  const symbol = numberFormat('fa', options)
    .formatToParts(value)
    .find(({ type }) => type === 'currency')?.value
  const word = symbol && /\p{Script=Arabic}/u.test(symbol) ? symbol : null
  return numberFormat('fa', { ...options, currencyDisplay: 'name' })
    .formatToParts(value)
    .map((part) => (part.type === 'currency' ? (word ?? part.value) : part.value))
    .join('')
}

/** @param bytes of a file; at least one kilobyte is shown */
export function formatFileSize(bytes: number, { t, locale }: ResultContext): string {
  const isLarge = bytes >= 1_000_000
  const size = isLarge ? bytes / 1_000_000 : Math.max(1, bytes / 1000)
  const format = numberFormat(locale, { maximumFractionDigits: size < 10 && isLarge ? 1 : 0 })
  return t(isLarge ? 'result.megabytes' : 'result.kilobytes', { size: format.format(size) })
}

/**
 * A formatted value. Its direction is that of its first letter; `dir=auto` would follow the invisible mark before a Persian
 * minus sign.
 */
export function formattedNode(text: string, number?: number): ResultNode & { kind: 'number' | 'text' } {
  const [letter] = /\p{L}/u.exec(text) ?? []
  const isRightToLeft = letter !== undefined && /[\p{Script=Arabic}\p{Script=Hebrew}]/u.test(letter)
  return {
    kind: text.length <= MAX_UNBROKEN ? 'number' : 'text',
    text,
    dir: isRightToLeft ? 'rtl' : 'ltr',
    number,
  }
}
