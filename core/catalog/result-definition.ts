/** What a service's result consists of: how each value is labelled and formatted. */
import { z } from 'zod'
import { type Text, textSchema } from './text.ts'

export const RESULT_KINDS = [
  'text', 'number', 'percent', 'money', 'date', 'duration', 'url', 'choice', 'list', 'table', 'image', 'file',
] as const // biome-ignore format: a list
export type ResultKind = (typeof RESULT_KINDS)[number]

/** What numbers from this one on mean, up to the next range. */
export interface ResultRange {
  from: number
  label: Text
  /** Shown as a colour beside the label. */
  tone?: 'good' | 'fair' | 'poor'
}

/** A value of the result, or a column of a `table`. */
export interface ResultField {
  /** The name in the result's JSON. */
  name: string
  type: ResultKind
  label: Text
  /** Of a `number`, shown after it: `km`. */
  unit?: Text
  /** Of a `number`: what it is out of, as in 712 of 850. */
  scale?: number
  /** Of a `number` or `percent`: what it means, the lowest first. */
  ranges?: ResultRange[]
  /** Of a `number`, `percent` or `money`: digits after the decimal point. */
  decimals?: number
  /** Of `money`: ISO 4217, such as `EUR`; or the name of a value of the row, or of the result, that has it. */
  currency?: string
  /** Of a `choice`: the label of each value. */
  options?: { value: string; label: Text }[]
  /** Of a `list`: what each item is; text when left out. The list has the settings of its items, such as a currency. */
  items?: ResultKind
  /** Of a `table`. */
  columns?: ResultField[]
  /** Of a `table`: the column whose equal values put rows into one group. */
  group_by?: string
  /** Of a `table`: the name of the value beside it that has the number of all rows, where the table has only the first ones. */
  total?: string
  /** Of a `table`: the columns that are drawn as a line. */
  plot?: { x: string; y: string }
  /** Without it, or with true, a null or empty value is left out; with false it is shown as none. */
  hide_when_empty?: boolean
}

const MAX_RESULT_FIELDS = 100

const name = z
  .string()
  .min(1)
  .max(100)
  // It becomes a part of an address.
  .refine(
    (text) => !/^\.{1,2}$|\p{Surrogate}/u.test(text),
    'must not be "." or "..", and must be well-formed text',
  )

const resultFieldSchema: z.ZodType<ResultField> = z.lazy(() =>
  z.strictObject({
    name,
    type: z.enum(RESULT_KINDS),
    label: textSchema(100),
    unit: textSchema(30).optional(),
    scale: z.number().positive().optional(),
    ranges: z
      .array(
        z.strictObject({
          from: z.number(),
          label: textSchema(100),
          tone: z.enum(['good', 'fair', 'poor']).optional(),
        }),
      )
      .min(1)
      .max(20)
      .optional(),
    decimals: z.number().int().min(0).max(20).optional(),
    currency: z.string().min(1).max(100).optional(),
    options: z
      .array(z.strictObject({ value: z.string().min(1).max(100), label: textSchema(200) }))
      .min(1)
      .max(200)
      .optional(),
    items: z.enum(RESULT_KINDS).optional(),
    columns: z.array(resultFieldSchema).min(1).max(20).optional(),
    group_by: z.string().max(100).optional(),
    total: z.string().min(1).max(100).optional(),
    plot: z.strictObject({ x: z.string().max(100), y: z.string().max(100) }).optional(),
    hide_when_empty: z.boolean().optional(),
  }),
)

const resultShape = z.strictObject({
  /** The field that is shown first, and large. */
  headline: z.string().max(100).optional(),
  fields: z.array(resultFieldSchema).max(MAX_RESULT_FIELDS).default([]),
})

export const resultSchema = resultShape.superRefine(({ headline, fields }, context) => {
  const complain: Complain = (path, message) => context.addIssue({ code: 'custom', path, message })
  checkFields(fields, ['fields'], complain)
  if (headline === undefined) return
  const field = fields.find((each) => each.name === headline)
  if (!field) complain(['headline'], 'must be the name of a field of the result')
  else if (!isSingle(field.type)) complain(['headline'], `must not be a ${field.type}: it is shown large`)
})

export type ResultDefinition = z.output<typeof resultShape>

type Path = readonly (string | number)[]
type Complain = (path: (string | number)[], message: string) => void
type Setting = Exclude<keyof ResultField, 'name' | 'type' | 'label' | 'hide_when_empty'>

const KINDS_OF_SETTING: Readonly<Record<Setting, readonly ResultKind[]>> = {
  unit: ['number'],
  scale: ['number'],
  ranges: ['number', 'percent'],
  decimals: ['number', 'percent', 'money'],
  currency: ['money'],
  options: ['choice'],
  items: ['list'],
  columns: ['table'],
  group_by: ['table'],
  total: ['table'],
  plot: ['table'],
}
/** Shown as numbers, aligned to the end in tables. */
export const NUMERIC: readonly ResultKind[] = ['number', 'percent', 'money']
const REQUIRED: readonly Setting[] = ['options', 'columns']
const NO_ITEMS: readonly ResultKind[] = ['list', 'table', 'image', 'file']
/** Whether it is a single value, which fits into a line. */
const isSingle = (kind: ResultKind): boolean => !NO_ITEMS.includes(kind)

/** What each value is: the items of a list, else the field itself. */
export const itemKind = ({ type, items = 'text' }: Pick<ResultField, 'type' | 'items'>): ResultKind =>
  type === 'list' ? items : type

function checkFields(fields: readonly ResultField[], path: Path, complain: Complain, isTable = false): void {
  fields.forEach((field, i) => {
    const at = [...path, i]
    checkSettings(field, at, complain)
    if (isTwice(fields, i, ({ name }) => name)) complain([...at, 'name'], 'is there twice')
    if (field.items && !isSingle(field.items))
      complain([...at, 'items'], `must not be ${NO_ITEMS.join(', ')}`)
    field.options?.forEach((_option, j, options) => {
      if (isTwice(options, j, ({ value }) => value))
        complain([...at, 'options', j, 'value'], 'is there twice')
    })
    field.ranges?.forEach(({ from }, j, ranges) => {
      if (j > 0 && from <= ranges[j - 1]!.from)
        complain([...at, 'ranges', j, 'from'], 'must be more than in the range before')
    })
    checkColumnNames(field, at, complain)
    if (isTable && field.type === 'table') complain([...at, 'type'], 'must not be a table inside a table')
    else if (field.columns) checkFields(field.columns, [...at, 'columns'], complain, true)
  })
}

/** The columns that a table is grouped and drawn by. */
function checkColumnNames({ columns = [], group_by, plot }: ResultField, at: Path, complain: Complain): void {
  const named = { group_by, 'plot.x': plot?.x, 'plot.y': plot?.y }
  for (const [setting, name] of Object.entries(named)) {
    const path = [...at, ...setting.split('.')]
    const column = columns.find((each) => each.name === name)
    if (name !== undefined && !column) complain(path, 'must be the name of a column')
    else if (setting === 'plot.y' && column && !NUMERIC.includes(column.type))
      complain(path, `must be a column of ${NUMERIC.join(', ')}`)
  }
}

function checkSettings(field: ResultField, path: Path, complain: Complain): void {
  for (const [setting, kinds] of Object.entries(KINDS_OF_SETTING) as [Setting, readonly ResultKind[]][]) {
    const isAllowed =
      kinds.includes(field.type) || (isSingle(itemKind(field)) && kinds.includes(itemKind(field)))
    if (field[setting] !== undefined && !isAllowed)
      complain([...path, setting], `is only for ${kinds.join(', ')}, and this is a ${field.type}`)
    if (field[setting] === undefined && isAllowed && REQUIRED.includes(setting))
      complain([...path, setting], `must be there for a ${kinds.join(', ')}`)
  }
}

const isTwice = <Item>(items: readonly Item[], i: number, keyOf: (item: Item) => string): boolean =>
  items.slice(0, i).some((other) => keyOf(other) === keyOf(items[i]!))
