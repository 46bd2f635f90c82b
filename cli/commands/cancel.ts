/** `cancel <hash>`: cancels a request on behalf of the operator. */
import type { Installation } from '../installation.ts'
import { type Context, EXIT, type ExitCode } from '../terminal.ts'

/** @throws AppError `already_final`, `request_not_found`, `request_expired` */
export async function cancel(context: Context, { requests }: Installation, hash: string): Promise<ExitCode> {
  const view = await requests.cancel(hash, 'operator')
  if (context.json) context.printJson(view)
  else context.print(`Cancelled ${hash}.`)
  return EXIT.done
}
