import type { Installation } from './installation.ts'
import type { Context, ExitCode } from './terminal.ts'

/** Makes an action out of a command that works on the installation. */
export type OnInstallation = <Args extends unknown[]>(
  load: () => Promise<(context: Context, installation: Installation, ...args: Args) => Promise<ExitCode>>,
) => (...args: Args) => Promise<void>
