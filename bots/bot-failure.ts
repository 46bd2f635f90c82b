import { type LocalizedMessage, toLocalizedMessage } from '../core/domain/message.ts'

/** A bot could not do its work. */
export class BotFailure extends Error {
  override name = 'BotFailure'
  /** For programs. */
  readonly code: string
  /** For the submitter. Without a key the code is the key. */
  readonly localizedMessage: LocalizedMessage
  /** Whether the same call may succeed later. */
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
