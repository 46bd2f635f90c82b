import { StartupError } from '../../core/runtime/startup-error.ts'

/** Beside the connections that are measured. */
const OTHERS = 500

/** Node has raised the soft limit to the hard one already, and children get the same. */
export function needConnections(count: number): void {
  const { userLimits } = process.report.getReport() as {
    userLimits?: { open_files?: { soft: number | 'unlimited' } }
  }
  const allowed = userLimits?.open_files?.soft
  if (typeof allowed !== 'number' || allowed >= count + OTHERS) return
  throw new StartupError(
    `${count} connections are measured and a process may only open ${allowed} files: set ulimit -n ${count + OTHERS}.`,
  )
}
