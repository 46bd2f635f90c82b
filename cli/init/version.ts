/** The version in the package.json of this package, which is one folder higher for compiled files. */
import { existsSync, readFileSync } from 'node:fs'

const file = ['../../package.json', '../../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((path) => existsSync(path)) as URL

export const VERSION = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
