/** The bar and the prompts of @clack on the terminal of a command. It styles what it is given: that is made visible first. */
import { isCancel, log, password, progress } from '@clack/prompts'
import { visible } from '../../core/visible.ts'
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
      const typed = await password({
        ...at,
        signal,
        message: visible(question),
        validate: (value) => (value ? undefined : emptyHint),
      })
      return isCancel(typed) ? null : typed
    },
  }
}
