/** What a service's result consists of: how each value is labelled and formatted. */
import { z } from 'zod'
import { type Text, textSchema } from './text.ts'

export const RESULT_KINDS = [
  'text', 'number', 'percent', 'money', 'date', 'duration', 'url', 'choice', 'list', 'table', 'image', 'file',
] as const // biome-ignore format: a list
export type ResultKind = (typeof RESULT_KINDS)[number]

/** A value of the result; or a column of a `table`, or the items of a `list`. */
export interface ResultField {
  /** The name in the result's JSON. */
  name: string
  type: ResultKind
  label: Text
  /** Of a `number`, shown after it: `km`. */
  unit?: Text
  /** Of a `number`: what it is out of, as in 712 of 850. */
  scale?: number
  /** Of a `number`, `percent` or `money`: digits after the decimal point. */
  decimals?: number
  /** Of `money`: ISO 4217, such as `EUR`; or the name of the field of the result that has it. */
  currency?: string
  /** Of a `choice`: the label of each value. */
  options?: { value: string; label: Text }[]
  /** Of a `list`: what each item is; text when left out. */
  items?: ResultKind
  /** Of a `table`. */
  columns?: ResultField[]
  /** Leaves it out when it is null, empty or missing. Default: shown as "none". */
  hide_when_empty?: boolean
}

const MAX_RESULT_FIELDS = 100

const resultFieldSchema: z.ZodType<ResultField> = z.lazy(() =>
  z.strictObject({
    name: z.string().min(1).max(100),
    type: z.enum(RESULT_KINDS),
    label: textSchema(100),
    unit: textSchema(30).optional(),
    scale: z.number().positive().optional(),
    decimals: z.number().int().min(0).max(20).optional(),
    currency: z.string().min(1).max(100).optional(),
    options: z
      .array(z.strictObject({ value: z.string().min(1).max(100), label: textSchema(200) }))
      .min(1)
      .max(200)
      .optional(),
    items: z.enum(RESULT_KINDS).optional(),
    columns: z.array(resultFieldSchema).min(1).max(20).optional(),
    hide_when_empty: z.boolean().optional(),
  }),
)

export const resultSchema = z.strictObject({
  /** The field that is shown first, and large. */
  headline: z.string().max(100).optional(),
  fields: z.array(resultFieldSchema).max(MAX_RESULT_FIELDS).default([]),
})

export type ResultDefinition = z.output<typeof resultSchema>
