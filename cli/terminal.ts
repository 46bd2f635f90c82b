/**
 * Input, output and layout of the commands. No other module writes to the terminal (except `watch/prompts.ts`), so text that
 * bots and other programs have put into Redis is always escaped.
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

/** What every command receives beside its own options. */
export interface Context extends Omit<Terminal, 'err'> {
  json: boolean
  /** Each is one line: line breaks inside are escaped. */
  print(...lines: string[]): void
  /** For `--json`: indented, or in one line per event. */
  printJson(value: unknown, options?: { inOneLine?: boolean }): void
  /** Prints to standard error. */
  printError(text: string): void
}

export function createContext({ err, ...terminal }: Terminal, json: boolean): Context {
  const { out } = terminal
  return {
    ...terminal,
    json,
    print: (...lines) => void out.write(lines.map((line) => `${visible(line)}\n`).join('')),
    printJson: (value, { inOneLine = false } = {}) =>
      void out.write(`${visibleJson(JSON.stringify(value, null, inOneLine ? 0 : 2))}\n`),
    printError: (text) => void err.write(`${visibleLines(text)}\n`),
  }
}

/** The exit codes. */
export const EXIT = {
  done: 0,
  /** Refused or failed; with `watch`, the request did not complete; with `doctor`, a check failed. */
  failed: 1,
  /** The command line is invalid. */
  usage: 2,
  notFound: 3,
  /** Redis is unavailable, or a setting is invalid. */
  unavailable: 4,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** @returns aligned lines; the first row is the heading */
export function table(rows: readonly (readonly (string | number | null)[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => visible(String(cell ?? '–'))))
  const widths = (cells[0] ?? []).map((_, column) =>
    cells.reduce((max, row) => Math.max(max, displayWidth(row[column] ?? '')), 0),
  )
  return cells.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - displayWidth(cell)))
      .join('  ')
      .trimEnd(),
  )
}

const MAX_CELL_CHARACTERS = 32

/** Truncates a table cell, so that a long word of a bot does not push the other columns off the screen. */
export function brief(text: string): string
export function brief(text: string | null): string | null
export function brief(text: string | null): string | null {
  const characters = [...visible(String(text ?? ''))]
  if (text === null || characters.length <= MAX_CELL_CHARACTERS) return text
  return `${characters.slice(0, MAX_CELL_CHARACTERS - 1).join('')}…`
}

/** Names and values, one pair per line. */
export const definitionList = (pairs: readonly (readonly [string, string | number | null])[]): string[] =>
  table(pairs.map(([name, value]) => [`${name}:`, value]))

/** Indented JSON, as lines. */
export const jsonLines = (value: unknown): string[] => JSON.stringify(value, null, 2).split('\n')

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
] as const

/** `90 s` as `1 min 30 s`: the two largest units that are not zero. */
export function duration(seconds: number): string {
  let remaining = Math.max(0, Math.round(seconds))
  const parts: string[] = []
  for (const [size, unit] of UNITS) {
    const count = Math.floor(remaining / size)
    if (count > 0) parts.push(`${count} ${unit}`)
    remaining -= count * size
  }
  return parts.slice(0, 2).join(' ') || '0 s'
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

/** Whether it is an error of our own code rather than of Redis or the request. */
export const isBug = (error: unknown): boolean =>
  [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind)

/** @returns the error as a sentence, with its code */
export function describeError(error: unknown): string {
  if (error instanceof StartupError) return error.message
  if (isBug(error)) return `Unexpected error: ${String(error)}`
  if (!(error instanceof AppError)) return describeRedisError(error)
  if (error.code === 'storage_unavailable' && error.cause) return describeRedisError(error.cause)
  const title = createTexts('en').t(`error.${error.code}`)
  return `${title} (${error.code}).${error.detail ? ` ${error.detail}` : ''}`
}
