/** The scripts and events of the bot of the fault tests. */
import { randomInt } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'

/** Whether it prompts for a code: during its call, with a second call, or not at all. */
export type Kind = 'plain' | 'open-call' | 'called-again'

export interface Script {
  kind: Kind
  /** How many progress reports, 1 to 99. */
  steps: number
  /** Milliseconds between two reports, a multiple of 50 up to 4950. */
  everyMs: number
}

const KINDS: readonly Kind[] = ['plain', 'open-call', 'called-again']
const UNIT_MS = 50
/** Long enough that no time, size or port in a log matches a code. */
export const CODE_LENGTH = 9

/** The script as request data: encoded in the mobile number; the national code is valid and random. */
export function toRequestData({ kind, steps, everyMs }: Script): { mobile: string; national_code: string } {
  const two = (value: number): string => String(value).padStart(2, '0')
  const mobile = `09${KINDS.indexOf(kind)}${two(steps)}${two(Math.round(everyMs / UNIT_MS))}${randomInt(1000, 10_000)}`
  return { mobile, national_code: randomNationalCode() }
}

export function readScript(mobile: string): Script {
  return {
    kind: KINDS[Number(mobile[2])] as Kind,
    steps: Number(mobile.slice(3, 5)),
    everyMs: Number(mobile.slice(5, 7)) * UNIT_MS,
  }
}

function randomNationalCode(): string {
  const nine = String(randomInt(100_000_000, 1_000_000_000))
  const rest = [...nine].reduce((sum, digit, i) => sum + Number(digit) * (10 - i), 0) % 11
  return nine + String(rest < 2 ? rest : 11 - rest)
}

export type JournalLine =
  | { event: 'run'; hash: string }
  | { event: 'code'; hash: string; code: string }
  | { event: 'result'; hash: string; run: string }

export const readJournal = (file: string): JournalLine[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as JournalLine)
    : []
