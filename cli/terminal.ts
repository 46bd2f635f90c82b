/**
 * Input, output and layout of the commands. No other module writes to the terminal (except `watch/prompts.ts`), so text that
 * bots and other programs have put into Redis is always escaped.
 */
import type { Readable, Writable } from 'node:stream'
import { WriteStream } from 'node:tty'
import { AppError } from '../core/domain/errors.ts'
import { createTexts } from '../core/i18n/index.ts'
import { describeRedisError } from '../core/redis/redis-error.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { visibleJson, visibleLines } from '../core/runtime/visible-text.ts'
import { type Line, type Rows, render, styled, table, wrapLine } from './layout.ts'

export interface Terminal {
  env: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
  out: Writable & { isTTY?: boolean; columns?: number; rows?: number }
  err: Writable
  input: Readable & { isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }
}

/** What every command receives beside its own options. */
export interface Context extends Omit<Terminal, 'err'> {
  json: boolean
  /** Each is one line: line breaks inside are escaped. On a terminal what is too wide is wrapped. */
  print(...lines: Line[]): void
  /** @param optional headings of columns that a narrow terminal does without, the first to go first */
  printTable(rows: Rows, optional?: readonly string[]): void
  /** Names and values, one pair per line, those without a value left out. */
  printPairs(pairs: Rows): void
  /** What was done: the object for `--json`, else the sentence. */
  printDone(done: object, sentence: string): void
  /** For `--json`: indented, or in one line per event. */
  printJson(value: unknown, options?: { inOneLine?: boolean }): void
  /** Prints to standard error. */
  printError(text: string): void
  /** Of a terminal; elsewhere nothing is written. */
  clearScreen(): void
}

const DEFAULT_WIDTH = 80

/** NO_COLOR and TERM=dumb switch colours off, FORCE_COLOR on where there is no terminal. */
const isColourful = ({ isTTY }: Terminal['out'], env: NodeJS.ProcessEnv): boolean =>
  (isTTY || env.FORCE_COLOR !== undefined) && WriteStream.prototype.getColorDepth(env) > 2

const CLEAR_SCREEN = '\u001b[2J\u001b[H'

export function createContext({ err, ...terminal }: Terminal, json: boolean): Context {
  const { out, env } = terminal
  const hasColour = isColourful(out, env)
  /** What is piped is complete, for programs. */
  const width = out.isTTY ? (out.columns ?? DEFAULT_WIDTH) : null
  const print: Context['print'] = (...lines) => {
    const fitting = width === null ? lines : lines.flatMap((line) => wrapLine(line, width))
    out.write(fitting.map((line) => `${render(line, hasColour)}\n`).join(''))
  }
  const printJson: Context['printJson'] = (value, { inOneLine = false } = {}) =>
    void out.write(`${visibleJson(JSON.stringify(value, null, inOneLine ? 0 : 2))}\n`)
  return {
    ...terminal,
    json,
    print,
    printJson,
    printDone: (done, sentence) => (json ? printJson(done) : print(sentence)),
    printTable([heading = [], ...rows], optional) {
      const headings = heading.map((text) => styled('bold', String(text)))
      print(...table([headings, ...rows], width, optional))
    },
    printPairs(pairs) {
      const given = pairs.filter(([, value]) => value !== null)
      print(
        ...table(
          given.map(([name, ...values]) => [`${name}:`, ...values]),
          width,
        ),
      )
    },
    clearScreen: () => void (out.isTTY && out.write(CLEAR_SCREEN)),
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

/** What a command cannot do, in a sentence. */
export class CommandRefusal extends Error {}

/** @returns the error as a sentence, with its code */
export function describeError(error: unknown): string {
  if (error instanceof StartupError || error instanceof CommandRefusal) return error.message
  if (isBug(error)) return `Unexpected error: ${String(error)}`
  if (!(error instanceof AppError)) return describeRedisError(error)
  if (error.code === 'storage_unavailable' && error.cause) return describeRedisError(error.cause)
  const title = createTexts('en').t(`error.${error.code}`)
  return `${title} (${error.code}).${error.detail ? ` ${error.detail}` : ''}`
}
