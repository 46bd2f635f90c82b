/** Programs that the machine may have. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where PATH finds it; undefined when it does not. */
export const findExecutable = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find(isExecutable)

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
