/** Where a command reads and writes, and how what it tells is laid out. */
import type { Readable, Writable } from 'node:stream'
import { AppError, StartError } from '../core/errors.ts'
import { createTexts } from '../core/texts/index.ts'

export interface Terminal {
  env: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
  out: Writable & { isTTY?: boolean }
  err: Writable
  input: Readable & { isTTY?: boolean }
}

/** What every command is given beside its own options. */
export interface Context extends Terminal {
  json: boolean
  /** One line, or several. */
  print(text: string): void
  /** What `--json` prints: the whole of it, or one line a thing that happens. */
  printJson(value: unknown, options?: { inOneLine?: boolean }): void
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

/** Columns as wide as they need to be; the first row is the heading. */
export function table(rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => String(cell ?? '–')))
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => [...(row[column] ?? '')].length)),
  )
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - [...cell].length))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and values, one a line. */
export const facts = (pairs: readonly (readonly [string, string | number | null])[]): string =>
  table(pairs.map(([name, value]) => [`${name}:`, value]))

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

/** For the person in front of it, with the code that programs go by. */
export function sentence(error: unknown): string {
  if (error instanceof StartError) return error.message
  if (!(error instanceof AppError)) return (error as Error).stack ?? String(error)
  const title = createTexts('en').t(`error.${error.code}`)
  return `${title} (${error.code}).${error.detail ? ` ${error.detail}` : ''}`
}
