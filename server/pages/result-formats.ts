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

/** How an amount of money is written. */
interface MoneyStyle {
  /** ISO 4217, or its name. */
  currency: string | null
  field: ResultField
  locale: Locale
  /** Beside negative amounts a positive one has its sign, too. */
  isSigned?: boolean
}

export const formatMoney = (value: number, style: MoneyStyle): string => joinMoney(moneyParts(value, style))

/** The same without the currency, for a column whose header has it. */
export const formatAmount = (value: number, style: MoneyStyle): string =>
  joinMoney(
    moneyParts(value, style).filter(
      ({ type, value }) => type !== 'currency' && !(type === 'literal' && value.trim() === ''),
    ),
  )

/** The currency as `formatMoney` writes it: `IRR` or `$` in English, «ریال» in Persian. */
export const currencyLabel = (currency: string, field: ResultField, locale: Locale): string =>
  moneyParts(0, { currency, field, locale }).find(({ type }) => type === 'currency')?.value ?? currency

type MoneyPart = Pick<Intl.NumberFormatPart, 'type' | 'value'>

// The hyphen of the English format is too short beside large amounts.
const joinMoney = (parts: readonly MoneyPart[]): string =>
  parts.map(({ type, value }) => (type === 'minusSign' ? '\u2212' : value)).join('')

function moneyParts(value: number, { currency, field, locale, isSigned }: MoneyStyle): readonly MoneyPart[] {
  const sign = isSigned ? ({ signDisplay: 'exceptZero' } as const) : {}
  if (currency === null || !/^[A-Za-z]{3}$/.test(currency)) {
    const number = numberFormat(locale, { ...digits(field), ...sign }).formatToParts(value)
    const named = { type: 'currency', value: currency ?? '' } as const
    return currency === null ? number : [...number, { type: 'literal', value: ' ' }, named]
  }
  const decimals = field.decimals === undefined ? {} : digits(field)
  const options = { style: 'currency', currency, ...decimals, ...sign } as const
  return locale === 'fa'
    ? persianMoneyParts(value, options)
    : numberFormat(locale, options).formatToParts(value)
}

/** Persian has the currency after the amount, as a word: the symbol where it is a word («ریال»), else the name («یورو»). */
function persianMoneyParts(value: number, options: Intl.NumberFormatOptions): readonly MoneyPart[] {
  const symbol = numberFormat('fa', options)
    .formatToParts(value)
    .find(({ type }) => type === 'currency')?.value
  const word = symbol && /\p{Script=Arabic}/u.test(symbol) ? symbol : null
  return numberFormat('fa', { ...options, currencyDisplay: 'name' })
    .formatToParts(value)
    .map((part) => (part.type === 'currency' ? { ...part, value: word ?? part.value } : part))
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
