/** The commands that a document shows in its `sh` blocks, in their order. */
import { readFileSync } from 'node:fs'

/** Lines that end in a backslash are joined, comments are removed. */
export function commandsIn(path: string): string[] {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .replace(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== ''),
  )
}
