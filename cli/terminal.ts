/**
 * Where a command reads and writes, and how what it tells is laid out. Nothing else of a command writes: what bots and
 * other programs have put into Redis is printed as text, whatever it contains.
 */
import type { Readable, Writable } from 'node:stream'
import { AppError } from '../core/domain/errors.ts'
import { createTexts } from '../core/i18n/index.ts'
import { describeRedisError } from '../core/redis/redis-error.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { displayWidth, visible, visibleJson, visibleLines } from '../core/runtime/visible-text.ts'

export interface Terminal {
  env: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
  out: Writable & { isTTY?: boolean }
  err: Writable
  input: Readable & { isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }
}

/** What every command is given beside its own options. */
export interface Context extends Omit<Terminal, 'err'> {
  json: boolean
  /** Each is one line: line breaks inside are shown as text. */
  print(...lines: string[]): void
  /** What `--json` prints: the whole of it, or one line a thing that happens. */
  printJson(value: unknown, options?: { inOneLine?: boolean }): void
  /** Prints to standard error. */
  complain(text: string): void
}

export function createContext({ err, ...terminal }: Terminal, json: boolean): Context {
  const { out } = terminal
  return {
    ...terminal,
    json,
    print: (...lines) => void out.write(lines.map((line) => `${visible(line)}\n`).join('')),
    printJson: (value, { inOneLine = false } = {}) =>
      void out.write(`${visibleJson(JSON.stringify(value, null, inOneLine ? 0 : 2))}\n`),
    complain: (text) => void err.write(`${visibleLines(text)}\n`),
  }
}

/** How a command ended: as its exit code. */
export const EXIT = {
  done: 0,
  /** Refused, or something is not as it should be; with `watch`, the request did not end well. */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  notFound: 3,
  /** Redis or a setting. */
  unavailable: 4,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The lines of columns as wide as they need to be; the first row is the heading. */
export function table(rows: readonly (readonly (string | number | null)[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => visible(String(cell ?? '–'))))
  const widths = (cells[0] ?? []).map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, displayWidth(row[column] ?? '')), 0),
  )
  return cells.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - displayWidth(cell)))
      .join('  ')
      .trimEnd(),
  )
}

const BRIEF_COLUMNS = 32

/** For a cell of a list: a bot's long word must not push the other columns off the screen. */
export function brief(text: string): string
export function brief(text: string | null): string | null
export function brief(text: string | null): string | null {
  const characters = [...visible(String(text ?? ''))]
  if (text === null || characters.length <= BRIEF_COLUMNS) return text
  return `${characters.slice(0, BRIEF_COLUMNS - 1).join('')}…`
}

/** Names and values, one a line. */
export const definitionList = (pairs: readonly (readonly [string, string | number | null])[]): string[] =>
  table(pairs.map(([name, value]) => [`${name}:`, value]))

/** JSON as people read it. */
export const jsonLines = (value: unknown): string[] => JSON.stringify(value, null, 2).split('\n')

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
] as const

/** `90 s` as `1 min 30 s`: the two largest units that are not zero. */
export function duration(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds))
  const parts: string[] = []
  for (const [size, unit] of UNITS) {
    const count = Math.floor(rest / size)
    if (count > 0) parts.push(`${count} ${unit}`)
    rest -= count * size
  }
  return parts.slice(0, 2).join(' ') || '0 s'
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

export const isOurMistake = (error: unknown): boolean =>
  [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind)

/** For the person in front of it, with the code that programs go by. */
export function sentence(error: unknown): string {
  if (error instanceof StartupError) return error.message
  if (isOurMistake(error)) return `Something unexpected happened: ${String(error)}`
  if (!(error instanceof AppError)) return describeRedisError(error)
  if (error.code === 'storage_unavailable' && error.cause) return describeRedisError(error.cause)
  const title = createTexts('en').t(`error.${error.code}`)
  return `${title} (${error.code}).${error.detail ? ` ${error.detail}` : ''}`
}
