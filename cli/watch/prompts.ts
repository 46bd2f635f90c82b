/** The progress bar and prompts of @clack, on the terminal of a command. Text is escaped before @clack styles it. */
import { Transform } from 'node:stream'
import { confirm, isCancel, log, password, progress, select, text } from '@clack/prompts'
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
  /** The input is not echoed. Null when the prompt is dismissed. */
  askSecret(question: string, options: { emptyHint: string; signal: AbortSignal }): Promise<string | null>
  /** Null when the prompt is dismissed, as for the next two. */
  askText(question: string, options: { emptyHint: string; signal: AbortSignal }): Promise<string | null>
  /** Resolves with the value of the chosen option. */
  choose(
    question: string,
    options: { options: readonly { value: string; label: string }[]; signal: AbortSignal },
  ): Promise<string | null>
  confirm(
    question: string,
    options: { yes: string; no: string; signal: AbortSignal },
  ): Promise<boolean | null>
}

export function createPrompts({ out, input }: Pick<Context, 'out' | 'input'>): Prompts {
  const streams = { output: out, input }
  return {
    startBar(text) {
      const bar = progress({ ...streams, style: 'heavy', max: 100, size: WIDTH, indicator: 'timer' })
      bar.start(visible(text))
      return {
        advance: (by, text) => bar.advance(by, visible(text)),
        stop: (text) => bar.stop(visible(text)),
      }
    },
    info: (text) => log.info(visible(text), streams),
    warn: (text) => log.warn(visible(text), streams),
    error: (text) => log.error(visible(text), streams),
    async askSecret(question, { emptyHint, signal }) {
      const joined = joinPastedLines(input)
      const typed = await password({
        ...streams,
        input: joined,
        signal,
        message: visible(question),
        validate: (value) => (value ? undefined : emptyHint),
      })
      input.unpipe(joined)
      return isCancel(typed) ? null : typed
    },
    async askText(question, { emptyHint, signal }) {
      const typed = await text({
        ...streams,
        signal,
        message: visible(question),
        validate: (value) => (value?.trim() ? undefined : emptyHint),
      })
      return isCancel(typed) ? null : typed
    },
    async choose(question, { options, signal }) {
      const chosen = await select<string>({
        ...streams,
        signal,
        message: visible(question),
        options: options.map(({ value, label }) => ({ value, label: visible(label) })),
      })
      return isCancel(chosen) ? null : chosen
    },
    async confirm(question, { yes, no, signal }) {
      const answer = await confirm({
        ...streams,
        signal,
        message: visible(question),
        active: visible(yes),
        inactive: visible(no),
        initialValue: false,
      })
      return isCancel(answer) ? null : answer
    },
  }
}

/**
 * Replaces line breaks within a pasted SMS, so that its first one does not count as Enter. Pasted text arrives in one chunk,
 * typed text key by key.
 */
function joinPastedLines(input: Context['input']): Transform {
  const joined = new Transform({
    // latin1 keeps every byte, also of a character that is split between two chunks.
    transform(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('latin1').replace(/[\r\n]+(?=[^\r\n])/g, ' ')
      done(null, Buffer.from(text, 'latin1'))
    },
  })
  const { isTTY, setRawMode } = input
  input.pipe(joined)
  return Object.assign(joined, { isTTY, setRawMode: setRawMode?.bind(input) })
}
