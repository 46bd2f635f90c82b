/** Errors as RFC 9457 problem details, for programs: over HTTP and in socket acknowledgements. */

import { readDate } from '../core/catalog/field-date.ts'
import { textIn } from '../core/catalog/text.ts'
import { AppError, type FieldError } from '../core/domain/errors.ts'
import { createTexts, isTextKey, type Locale, type Texts } from '../core/i18n/index.ts'
import { localizeDigits } from '../core/i18n/localize-digits.ts'

export interface Problem {
  type: string
  title: string
  status: number
  /** Stable, for programs. */
  code: string
  detail?: string
  retryable: boolean
  /** The id of the call, as in the header X-Request-Id and in the log. */
  call_id?: string
  /** Every invalid field of a submitted form. */
  errors?: { field: string; code: string; message: string }[]
  /** How many further errors were left out of `errors`. */
  more_errors?: number
}

/** Maximum number of field errors listed in one problem. */
export const MAX_ERRORS = 20
const MAX_ERROR_CHARACTERS = 400
/** Maximum number of fields of a posted form. */
export const MAX_FORM_FIELDS = 500

export const PROBLEM_TYPE = 'application/problem+json'

export function toProblem(error: AppError, locale: Locale = 'en', callId?: string): Problem {
  const texts = createTexts(locale)
  const { t } = texts
  const more = Math.max(0, (error.errors?.length ?? 0) - MAX_ERRORS)
  const detail = error.detail ?? (more > 0 ? t('problem.more_errors', { count: more }) : undefined)
  return {
    type: `urn:halfway:problem:${error.code}`,
    title: t(`error.${error.code}`),
    status: error.status,
    code: error.code,
    ...(detail && { detail }),
    retryable: error.retryable,
    ...(callId !== undefined && { call_id: callId }),
    ...(error.errors && {
      errors: error.errors.slice(0, MAX_ERRORS).map((mistake) => ({
        field: shortened(mistake.field),
        code: mistake.code,
        message: shortened(fieldErrorMessage(texts, mistake, mistake.field)),
      })),
    }),
    ...(more > 0 && { more_errors: more }),
  }
}

/** Names that a caller made up may have any length. */
const shortened = (text: string): string =>
  text.length <= MAX_ERROR_CHARACTERS ? text : `${text.slice(0, MAX_ERROR_CHARACTERS - 1)}…`

/** The example of a valid date in error messages. */
export const EXAMPLE_DATE = '2026-01-31'

/**
 * @param label the field's name for programs, its label on the form for people
 * @param writeDate writes a date such as 2026-01-31; for programs in that form
 */
export function fieldErrorMessage(
  { t, locale }: Texts,
  { code, params, message }: Omit<FieldError, 'field'>,
  label: string,
  writeDate: (locale: Locale, iso: string) => string = localizeDigits,
): string {
  if (message !== undefined) return textIn(message, locale)
  const key = `field_error.${code}`
  return t(isTextKey(key) ? key : 'field_error.invalid', {
    kind: 'typed',
    ...Object.fromEntries(
      Object.entries({ example: EXAMPLE_DATE, ...params }).map(([name, value]) => [
        name,
        typeof value === 'string' && readDate(value) === value ? writeDate(locale, value) : value,
      ]),
    ),
    label,
  })
}

/** Errors of Express's parsers as AppErrors. @returns null for errors that the caller did not cause */
export function fromHttpError(error: unknown): AppError | null {
  if (error instanceof AppError) return error
  const { status, type, limit } = error as { status?: number; type?: string; limit?: number }
  switch (type) {
    case 'entity.too.large':
      return new AppError('body_too_large', {
        detail: limit === undefined ? undefined : `This body has at most ${formatLimit(limit)}.`,
      })
    case 'parameters.too.many':
      return new AppError('body_too_large', { detail: `A form has at most ${MAX_FORM_FIELDS} fields.` })
    case 'entity.parse.failed':
      return new AppError('invalid_json', { detail: 'The body is not JSON.' })
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new AppError('unsupported_media_type', {
        detail: 'Send the body as UTF-8, plain, gzip, deflate or br.',
      })
  }
  if (error instanceof URIError)
    return new AppError('invalid_parameter', { detail: 'The address is malformed.' })
  // Of a body that cannot be decompressed, say.
  if (type === undefined && status === 400 && (error as { code?: string }).code?.startsWith('Z_'))
    return new AppError('bad_request', { detail: 'The body cannot be decompressed.' })
  return status !== undefined && status >= 400 && status < 500
    ? new AppError('invalid_parameter', { cause: error })
    : null
}

const formatLimit = (bytes: number): string =>
  bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} kB` : `${Math.round(bytes / 1024 / 1024)} MB`
