/** Parses a posted form into the submitted values and the hidden key of the page. */
import express, { type Request } from 'express'
import { MAX_FORM_FIELDS } from '../problem.ts'

/** A longer value is invalid in every field: its beginning is enough to see why. */
const MAX_SHOWN_CHARACTERS = 2_100

/** Reads the body of a posted form. The forms of the pages have a few short fields. */
export const readForm = express.urlencoded({
  extended: false,
  limit: '64kb',
  parameterLimit: MAX_FORM_FIELDS,
})

export interface TypedForm {
  /** The form's hidden key; null without a valid one. */
  key: string | null
  /** The unvalidated fields, for the service. */
  requestData: Record<string, unknown>
  /** The same as text, for showing them again. */
  values: Record<string, string>
}

export function parseFormBody(req: Request): TypedForm {
  const { _key: key, ...requestData } = (req.body ?? {}) as Record<string, unknown>
  const values = Object.fromEntries(
    Object.entries(requestData).map(([name, value]) => [name, String(value).slice(0, MAX_SHOWN_CHARACTERS)]),
  )
  return { key: typeof key === 'string' && /^[\w-]{10,64}$/.test(key) ? key : null, values, requestData }
}
