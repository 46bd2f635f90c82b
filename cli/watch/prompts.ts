/** The bar and the prompts of @clack on the terminal of a command. It styles what it is given: that is made visible first. */
import { Transform } from 'node:stream'
import { isCancel, log, password, progress } from '@clack/prompts'
import { visible } from '../../core/runtime/visible-text.ts'
import type { Context } from '../terminal.ts'

const WIDTH = 40

export interface Bar {
  advance(by: number, text: string): void
  stop(text: string): void
}

export interface Prompts {
  startBar(text: string): Bar
  info(text: string): void
  warn(text: string): void
  error(text: string): void
  /** What is typed leaves nothing on the screen. Null when the person wants to type nothing. */
  askSecretly(question: string, options: { emptyHint: string; signal: AbortSignal }): Promise<string | null>
}

export function createPrompts({ out, input }: Pick<Context, 'out' | 'input'>): Prompts {
  const at = { output: out, input }
  return {
    startBar(text) {
      const bar = progress({ ...at, style: 'heavy', max: 100, size: WIDTH, indicator: 'timer' })
      bar.start(visible(text))
      return {
        advance: (by, words) => bar.advance(by, visible(words)),
        stop: (words) => bar.stop(visible(words)),
      }
    },
    info: (text) => log.info(visible(text), at),
    warn: (text) => log.warn(visible(text), at),
    error: (text) => log.error(visible(text), at),
    async askSecretly(question, { emptyHint, signal }) {
      const joined = joinPastedLines(input)
      const typed = await password({
        ...at,
        input: joined,
        signal,
        message: visible(question),
        validate: (value) => (value ? undefined : emptyHint),
      })
      input.unpipe(joined)
      return isCancel(typed) ? null : typed
    },
  }
}

/**
 * An SMS of several lines is pasted as a whole: its first line break is no Enter. What is pasted arrives in one piece, what
 * is typed key by key.
 */
function joinPastedLines(input: Context['input']): Transform {
  const joined = new Transform({
    // As latin1: each byte stays as it is, also of a character that arrives in two pieces.
    transform(piece: Buffer, _encoding, done) {
      const text = piece.toString('latin1').replace(/[\r\n]+(?=[^\r\n])/g, ' ')
      done(null, Buffer.from(text, 'latin1'))
    },
  })
  const { isTTY, setRawMode } = input
  input.pipe(joined)
  return Object.assign(joined, { isTTY, setRawMode: setRawMode?.bind(input) })
}
