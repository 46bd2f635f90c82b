/** What the traces say of a request. Slugs, steps and codes of other programs could be anything: only known ones are shown. */
import { ERRORS } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { shortReference } from '../domain/short-reference.ts'
import type { SpanAttributes } from '../runtime/tracing.ts'

const OTHER = 'other'

export function attributesOf(
  { hash, service_slug, attempt }: Pick<RequestRecord, 'hash' | 'service_slug' | 'attempt'>,
  service: object | undefined,
): SpanAttributes {
  return {
    'halfway.reference': shortReference(hash),
    'halfway.service': service ? service_slug : OTHER,
    'halfway.attempt': attempt,
  }
}

/** @param code of an error; one that a bot made up is `other` */
export const errorAttribute = (code: unknown): SpanAttributes => ({
  'halfway.error': typeof code === 'string' && Object.hasOwn(ERRORS, code) ? code : OTHER,
})
