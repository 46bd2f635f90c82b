import { type LocalizedMessage, toLocalizedMessage } from '../core/domain/message.ts'

/** A bot could not do its work: `code` for programs, words for the person who waits. */
export class BotFailure extends Error {
  override name = 'BotFailure'
  readonly code: string
  /** The words, and their key where it is another one than the code. */
  readonly localizedMessage: LocalizedMessage
  /** Whether calling the bot again later may help. */
  readonly retryable: boolean

  constructor(
    code: string,
    message: string | LocalizedMessage,
    options: { retryable?: boolean; cause?: unknown } = {},
  ) {
    const localizedMessage = toLocalizedMessage(message)
    super(localizedMessage.message, { cause: options.cause })
    this.code = code
    this.localizedMessage = localizedMessage
    this.retryable = options.retryable ?? false
  }
}
