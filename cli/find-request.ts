/** Finds a request by the short reference that `list` prints and people give, or by its beginning. */
import { AppError } from '../core/domain/errors.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import { parseReferenceBeginning, shortReference } from '../core/domain/short-reference.ts'
import type { Installation } from './installation.ts'
import { CommandRefusal, plural } from './terminal.ts'

const MAX_NAMED = 10

/**
 * @param name a hash, a short reference or its first four characters or more
 * @returns the hash. @throws AppError `request_not_found`; CommandRefusal when several begin so
 */
export async function findRequest(
  { requestList }: Pick<Installation, 'requestList'>,
  name: string,
): Promise<string> {
  if (isRequestHash(name)) return name
  const found = await requestList.findByBeginning(parseReferenceBeginning(name) ?? name)
  const [hash] = found
  if (hash === undefined)
    throw new AppError('request_not_found', {
      detail: `No request of those that are still known has a reference that begins with ${name}.`,
    })
  if (found.length === 1) return hash
  // Two requests can have the same reference; their hashes differ.
  const isSame = found.every((one) => shortReference(one) === shortReference(hash))
  const candidates = found.slice(0, MAX_NAMED).map((one) => (isSame ? one : shortReference(one)))
  const more = found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''
  throw new CommandRefusal(
    `${plural(found.length, 'request')} have a reference that begins with ${name}: ${candidates.join(', ')}${more}.`,
  )
}
