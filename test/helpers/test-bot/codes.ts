/** The codes that the bot of the tests sends: a line each in a file, which stands in for the mobile network. */
import { randomInt } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { eventually } from '../eventually.ts'

export const CODE_LENGTH = 6

/** @returns the code */
export function sendCode(file: string, mobile: string): string {
  const code = String(randomInt(10 ** (CODE_LENGTH - 1), 10 ** CODE_LENGTH))
  appendFileSync(file, `${mobile} ${code}\n`)
  return code
}

/** The newest code of this number, once there is one. */
export const newestCode = (file: string, mobile: string): Promise<string> =>
  eventually(
    () => {
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
      const code = lines.findLast((line) => line.startsWith(`${mobile} `))?.slice(mobile.length + 1)
      if (!code) throw new Error('no code yet')
      return code
    },
    { withinMs: 30_000, everyMs: 50 },
  )
