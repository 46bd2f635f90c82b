/** The file `.env` of the working directory: settings that the environment does not have. */
import { existsSync, statSync } from 'node:fs'

export function loadSettingsFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/** Whether its mode lets other users of this machine read it. Windows has no such modes. */
export const isSettingsFileOpen = (): boolean =>
  process.platform !== 'win32' && ((statSync('.env', { throwIfNoEntry: false })?.mode ?? 0) & 0o044) !== 0

export const SETTINGS_FILE_OPEN =
  '.env can be read by other users of this machine, with its tokens and keys: chmod 600 .env'
