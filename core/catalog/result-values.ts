/** Which values of a result fit which kind of field. */

import { parseResultDate } from './result-date.ts'
import type { ResultField, ResultKind, ResultRange } from './result-definition.ts'
import { itemKind } from './result-definition.ts'
import { parseResultImage } from './result-image.ts'

/** A file of a result: one that the bot has stored with the request, or one at another address. */
export interface ResultFile {
  name: string
  /** In bytes. */
  size: number
  /** Of a stored file. */
  id?: string
  /** Where another one can be downloaded. */
  url?: string
}
const FILE_ID = /^\d{1,9}\.\d$/

export type JsonObject = Readonly<Record<string, unknown>>

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Null, missing, an empty text, list or object. */
export const isEmptyValue = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)

export function isWebAddress(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\/./i.test(value) && URL.canParse(value)
}

export const isResultFile = (value: unknown): value is ResultFile =>
  isJsonObject(value) &&
  typeof value.name === 'string' &&
  value.name !== '' &&
  isFiniteNumber(value.size) &&
  value.size >= 0 &&
  (value.id === undefined || (typeof value.id === 'string' && FILE_ID.test(value.id))) &&
  (value.url === undefined || isWebAddress(value.url))

export const isTableRows = (value: unknown): value is JsonObject[] =>
  Array.isArray(value) && value.every(isJsonObject)

/** The own value of that name: a name can be one that all objects inherit. */
export const ownValue = (object: JsonObject, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined

const isFiniteNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value)

const isScalar = (value: unknown): value is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof value)

type Rule = { fits: (value: unknown, field: ResultField) => boolean; demand: string }

const isNumber: Rule = { fits: isFiniteNumber, demand: 'must be a number' }

const RULES: Readonly<Record<ResultKind, Rule>> = {
  text: { fits: isScalar, demand: 'must be text' },
  number: isNumber,
  percent: isNumber,
  money: isNumber,
  date: {
    fits: (value) => typeof value === 'string' && parseResultDate(value) !== null,
    demand: 'must be an ISO 8601 date, such as 2026-01-31 or 2026-01-31T09:15:00Z',
  },
  duration: {
    fits: (value) => isFiniteNumber(value) && value >= 0,
    demand: 'must be a number of seconds, 0 or more',
  },
  url: { fits: isWebAddress, demand: 'must be an address that starts with http:// or https://' },
  choice: {
    fits: (value, { options = [] }) =>
      isScalar(value) && options.some((option) => option.value === String(value)),
    demand: 'must be one of the values of its options',
  },
  list: { fits: Array.isArray, demand: 'must be a list' },
  table: { fits: isTableRows, demand: 'must be a list of objects' },
  image: {
    fits: (value) => parseResultImage(value) !== null,
    demand: 'must be a data: address of a PNG, JPEG, GIF or WebP image in base64, of at most 100 kB',
  },
  file: {
    fits: isResultFile,
    demand: 'must be an object with name, size in bytes, and an optional id or url',
  },
}

/** What the value, which is not empty, would have to be; null when it fits. Not the items of a list, nor the cells of a table. */
export function findMisfit(value: unknown, field: ResultField): string | null {
  const { fits, demand } = RULES[field.type]
  return fits(value, field) ? null : demand
}

/** The field that each item of a list is. */
export const itemField = (list: ResultField): ResultField => ({ ...list, type: itemKind(list) })

const CURRENCY_CODE = /^[A-Z]{3}$/

/** The name of the value that has the currency; null when the definition itself has it, or none. */
export const currencyName = ({ currency }: ResultField): string | null =>
  currency === undefined || CURRENCY_CODE.test(currency) ? null : currency

/**
 * The currency of an amount.
 * @param siblings the objects that may have it: the row, then the result
 */
export function currencyOf(field: ResultField, siblings: readonly JsonObject[]): string | null {
  const name = currencyName(field)
  if (name === null) return field.currency ?? null
  const owner = siblings.find((each) => Object.hasOwn(each, name))
  const value = owner && ownValue(owner, name)
  return typeof value === 'string' && value !== '' ? value : null
}

/** What a number means; null below the lowest range. */
export const rangeOf = (value: number, { ranges = [] }: ResultField): ResultRange | null =>
  ranges.findLast(({ from }) => value >= from) ?? null
