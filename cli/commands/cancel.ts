/** `cancel`: cancels requests on behalf of the operator, who may give the person a reason. */
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { audited } from '../audited.ts'
import { findRequest } from '../find-request.ts'
import type { Installation } from '../installation.ts'
import { type Context, describeError, EXIT, type ExitCode } from '../terminal.ts'

/** @throws AppError for a single one `already_final`, `request_not_found`, `request_expired` */
export async function cancel(
  context: Context,
  installation: Installation,
  names: readonly string[],
  { reason }: { reason?: string },
): Promise<ExitCode> {
  const hashes = await Promise.all(names.map((name) => findRequest(installation, name)))
  const cancelled: PublicView[] = []
  for (const hash of hashes) {
    try {
      const entry = { action: 'cancel', request: shortReference(hash) } as const
      cancelled.push(
        await audited(installation, entry, () => installation.requests.cancel(hash, 'operator', reason)),
      )
      if (!context.json) context.print(`Cancelled ${hash}.`)
    } catch (error) {
      if (hashes.length === 1 || !(error instanceof AppError)) throw error
      context.printError(`halfway: ${hash} was not cancelled: ${describeError(error)}`)
    }
  }
  if (context.json) context.printJson(hashes.length === 1 ? cancelled[0] : cancelled)
  return cancelled.length === hashes.length ? EXIT.done : EXIT.failed
}
