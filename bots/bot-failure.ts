/** A bot could not do its work: `code` for programs, `message` for the person who waits. */
export class BotFailure extends Error {
  override name = 'BotFailure'
  readonly code: string
  /** Whether calling the bot again later may help. */
  readonly retryable: boolean

  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
  }
}
