/** Receives the messages of a channel. */
export interface ChannelListener {
  /** A message as it was published. Own ones end with the suffix of `codec.ts`, foreign ones do not. */
  onMessage(json: string): void
  /** Messages may have been missed: read the record again. */
  onGap(): void
}
