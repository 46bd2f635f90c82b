/**
 * Arranges a bot's result, which is any JSON, for reading: first the values that the service's definition describes, in its
 * order, then the others. A value that does not fit its definition is shown as if it had none.
 */

import { parseResultDate } from '../../core/catalog/result-date.ts'
import type { ResultDefinition, ResultField, ResultKind } from '../../core/catalog/result-definition.ts'
import {
  currencyName, currencyOf, findMisfit, isEmptyValue, isJsonObject, isTableRows, itemField, type JsonObject, ownValue, 
  type ResultFile,rangeOf,
} from '../../core/catalog/result-values.ts' // biome-ignore format: a list
import { textIn } from '../../core/catalog/text.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import { readableAddress } from '../../core/presentation/readable-address.ts'
import { humanise } from './humanise.ts'
import { columnOf } from './result-column.ts'
import {
  formatAmount, formatFileSize, formatMoney, formatNumber, formatPercent, formattedNode,
} from './result-formats.ts' // biome-ignore format: a list
import { type Gauge, gaugeOf } from './result-gauge.ts'
import {
  groupOf, headingOf, type LabelledNode, plainText, type ResultColumn, type ResultContext, type ResultNode, textNode,
} from './result-node.ts' // biome-ignore format: a list
import { arrangeCell, arrangeValue, fitsTable, isNumericColumn, listOf } from './result-plain.ts'
import { tableOf } from './result-table.ts'

export interface ArrangedResult {
  /** The value that is shown first, and large. */
  headline: (LabelledNode & { gauge: Gauge | null }) | null
  /** Null when there is nothing else to show. */
  rest: ResultNode | null
}

export interface ResultPlace extends ResultContext {
  /** The address of the image at this path in the result. */
  imageLink(path: readonly string[]): string
  /** The address of the file with this id. */
  fileLink(id: string): string
}

/** Where a value is: the objects that may have its currency, the nearest first, and its path in the result. */
interface Place extends ResultPlace {
  siblings: readonly JsonObject[]
  path: readonly string[]
  /** In a column whose header has the currency. */
  isBelowCurrency?: boolean
  /** In a column with negative amounts. */
  isSigned?: boolean
}

export function arrangeResult(
  result: unknown,
  definition: ResultDefinition | undefined,
  context: ResultPlace,
): ArrangedResult {
  if (result === null || result === undefined) return { headline: null, rest: null }
  if (!definition || !isJsonObject(result)) return { headline: null, rest: arrangeValue(result, context) }
  const place: Place = { ...context, siblings: [result], path: [] }
  const headline = findHeadline(result, definition)
  const fields = definition.fields.filter((field) => field !== headline && isShown(field, [result]))
  const entries = [
    ...fields.map((field) => ({
      label: textIn(field.label, context.locale),
      value: arrangeField(ownValue(result, field.name), field, below(place, field.name)),
    })),
    ...otherNames([result], definition.fields, [result]).map((name) => ({
      label: humanise(name),
      value: arrangeValue(result[name], context, 1),
    })),
  ]
  return {
    headline: headline && {
      label: textIn(headline.label, context.locale),
      gauge: gaugeOf(ownValue(result, headline.name), headline, context),
      value: arrangeField(ownValue(result, headline.name), headline, below(place, headline.name)),
    },
    rest: entries.length === 0 ? null : groupOf(entries),
  }
}

/** Only a single value is shown as one. */
function findHeadline(result: JsonObject, { headline, fields }: ResultDefinition): ResultField | null {
  const field = fields.find(({ name }) => name === headline)
  const value = field && ownValue(result, field.name)
  return field === undefined || isEmptyValue(value) || typeof value === 'object' ? null : field
}

/** A missing value is left out, and so is an empty one unless its field says otherwise. */
const isShown = ({ name, hide_when_empty }: ResultField, objects: readonly JsonObject[]): boolean =>
  objects.some((object) =>
    hide_when_empty === false ? Object.hasOwn(object, name) : !isEmptyValue(ownValue(object, name)),
  )

/** The names without a field that have values. Currencies and totals are already shown where they belong. */
function otherNames(
  objects: readonly JsonObject[],
  fields: readonly ResultField[],
  siblings: readonly JsonObject[],
): string[] {
  const described = new Set([
    ...fields.map(({ name }) => name),
    ...fields.flatMap((field) => shownCurrencies(field, objects, siblings)),
    ...fields.flatMap(({ name, total }) => (isTableRows(objects[0]?.[name]) && total ? [total] : [])),
  ])
  const names = objects.flatMap((object) => Object.keys(object).filter((name) => !isEmptyValue(object[name])))
  return [...new Set(names)].filter((name) => !described.has(name))
}

/** The names of the values that are shown as the currency of amounts. */
function shownCurrencies(
  field: ResultField,
  objects: readonly JsonObject[],
  siblings: readonly JsonObject[],
): string[] {
  const values = objects.map((object) => ownValue(object, field.name))
  const rows = values.filter(isTableRows).flat()
  const ofColumns = (field.columns ?? []).flatMap((column) => shownCurrencies(column, rows, siblings))
  const name = currencyName(field)
  const owners = objects.filter((_object, i) => [values[i]].flat().some((value) => typeof value === 'number'))
  const isShown =
    owners.length > 0 && owners.every((object) => currencyOf(field, [object, ...siblings]) !== null)
  return name !== null && isShown ? [...ofColumns, name] : ofColumns
}

const below = (place: Place, ...names: string[]): Place => ({ ...place, path: [...place.path, ...names] })

function arrangeField(value: unknown, field: ResultField, place: Place): ResultNode {
  if (isEmptyValue(value)) return plainText(place.t('result.none'))
  if (findMisfit(value, field) !== null) {
    // The data of an image are no text to read.
    if (field.type === 'image' && typeof value === 'string') return plainText(place.t('result.no_image'))
    return arrangeValue(field.type === 'choice' ? asWords(value) : value, place, place.path.length)
  }
  return ARRANGE[field.type](value as never, field, place)
}

/** A value that a choice does not know, such as `not_found`: identifiers are no words. */
const asWords = (value: unknown): unknown =>
  typeof value === 'string' && /^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/i.test(value) ? humanise(value) : value

const ARRANGE: Readonly<Record<ResultKind, (value: never, field: ResultField, place: Place) => ResultNode>> =
  {
    text: (value: string | number | boolean, _field, place) =>
      typeof value === 'string' ? textNode(value, place.locale) : arrangeValue(value, place),
    number: (value: number, field, place) =>
      withMeaning(formattedNode(formatNumber(value, field, place), value), value, field, place),
    percent: (value: number, field, place) =>
      withMeaning(formattedNode(formatPercent(value, field, place.locale), value), value, field, place),
    money: (value: number, field, { locale, siblings, isBelowCurrency, isSigned }) => {
      const format = isBelowCurrency ? formatAmount : formatMoney
      const style = { currency: currencyOf(field, siblings), field, locale, isSigned }
      return formattedNode(format(value, style), value)
    },
    date: (value: string) => ({ kind: 'date', ...parseResultDate(value)! }),
    duration: (value: number, _field, { t }) => formattedNode(formatDuration(t, value), value),
    url: (value: string) => ({
      kind: 'link',
      text: readableAddress(value),
      href: value,
      note: null,
      dir: 'ltr',
    }),
    choice: (value: unknown, { options = [] }, { locale }) =>
      plainText(textIn(options.find((option) => option.value === String(value))!.label, locale)),
    list: (values: unknown[], field, place) => ({
      kind: 'list',
      items: values.map((item, i) => arrangeField(item, itemField(field), below(place, String(i)))),
    }),
    table: arrangeTable,
    image: (_value, { label }, { imageLink, path, locale }) => ({
      kind: 'image',
      src: imageLink(path),
      alt: textIn(label, locale),
    }),
    file: ({ name, size, url, id }: ResultFile, _field, place) => ({
      kind: 'link',
      text: name,
      href: id === undefined ? (url ?? null) : place.fileLink(id),
      isDownload: id !== undefined,
      note: formatFileSize(size, place),
      dir: 'auto',
    }),
  }

function withMeaning(
  node: ReturnType<typeof formattedNode>,
  value: number,
  field: ResultField,
  { locale }: Place,
): ResultNode {
  const range = rangeOf(value, field)
  if (range === null) return node
  return { ...node, meaning: { label: textIn(range.label, locale), tone: range.tone ?? 'plain' } }
}

function arrangeTable(rows: JsonObject[], field: ResultField, place: Place): ResultNode {
  const { columns = [], group_by, plot, total = '' } = field
  const fields = columns.filter((column) => isShown(column, rows))
  const others = otherNames(rows, columns, place.siblings)
  if (!fitsTable(rows.length, fields.length + others.length)) return listOf(rows, place, place.path.length)
  const heads: ResultColumn[] = [
    ...fields.map((column) => columnOf(column, rows, place)),
    ...others.map((name) => ({ label: humanise(name), isNumeric: isNumericColumn(rows, name) })),
  ]
  const cells = rows.map((row, i) => [
    ...fields.map((column, index) => {
      const value = ownValue(row, column.name)
      if (isEmptyValue(value) && column.hide_when_empty !== false) return plainText('')
      const { currency, isSigned } = heads[index] as ResultColumn
      const at = below(
        { ...place, siblings: [row, ...place.siblings], isBelowCurrency: currency !== undefined, isSigned },
        String(i),
        column.name,
      )
      return arrangeField(value, column, at)
    }),
    ...others.map((name) => arrangeCell(ownValue(row, name), place, place.path.length + 2)),
  ])
  const indexOf = (name: string): number => fields.findIndex((column) => column.name === name)
  const drawn = plot && heads[indexOf(plot.y)]
  const axes = drawn && { x: indexOf(plot.x), y: indexOf(plot.y), label: headingOf(drawn) }
  const all = ownValue(place.siblings[0]!, total)
  return tableOf(
    {
      columns: heads,
      rows: cells,
      groupBy: group_by === undefined ? -1 : indexOf(group_by),
      total: typeof all === 'number' ? all : undefined,
      axes: axes && Math.min(axes.x, axes.y) >= 0 ? axes : undefined,
    },
    place,
  )
}
