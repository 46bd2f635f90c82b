/**
 * A short name of a request for a telephone call: 8 characters of a digest of its hash, without those that are taken for
 * others (Crockford's base 32). It opens nothing, and no hash can be guessed from it.
 */
import { hash as digest } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LENGTH = 8
const FORM = new RegExp(`^[${ALPHABET}]{${LENGTH}}$`)
const BEGINNING = new RegExp(`^[${ALPHABET}]{4,${LENGTH}}$`)

export function shortReference(hash: string): string {
  const bytes = digest('sha256', hash, 'buffer')
  let reference = ''
  for (let i = 0; i < LENGTH; i++) reference += ALPHABET[(bytes[i] as number) % 32]
  return reference
}

/** The name of a file that people keep and send on: it must not open the request. */
export const fileNameOf = ({ service_slug, hash }: { service_slug: string; hash: string }): string =>
  `${service_slug}-${shortReference(hash)}`

/** As typed: in lower case, in groups, with O for 0 and I or L for 1. Null when it is no short reference. */
export const parseShortReference = (typed: string): string | null => normalize(typed, FORM)

/** The same for four characters or more of its beginning. */
export const parseReferenceBeginning = (typed: string): string | null => normalize(typed, BEGINNING)

function normalize(typed: string, form: RegExp): string | null {
  const text = typed.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  return form.test(text) ? text : null
}
