import { AppError } from '../core/domain/errors.ts'
import type { AuditEntry } from '../core/store/audit-log.ts'
import type { Installation } from './installation.ts'

/**
 * Does it, and writes to the audit log that it was done or why it was refused; then without names, which may be any text.
 *
 * @throws what `act` throws
 */
export async function audited<T>(
  { audit }: Pick<Installation, 'audit'>,
  entry: Omit<AuditEntry, 'outcome'>,
  act: () => Promise<T>,
): Promise<T> {
  const { action, request } = entry
  try {
    const result = await act()
    await audit({ ...entry, outcome: 'done' })
    return result
  } catch (error) {
    if (error instanceof AppError) await audit({ action, request, outcome: 'refused', reason: error.code })
    throw error
  }
}
