/** What keeps requests from being served, as a code. */
import type { ConsoleKey } from '../i18n/en-console.ts'

type CodeOf<Key> = Key extends `console.fault.${infer Code}` ? Code : never

export interface Fault {
  code: CodeOf<ConsoleKey>
  params?: Readonly<Record<string, string | number>>
  /** Why this cannot be said. */
  cause?: Fault
}
