/** What hears a channel. */
export interface ChannelListener {
  /** What was published, as it came: ours is sealed, a foreign one is not. */
  message(json: string): void
  /** Something may have been missed: read again. */
  gap(): void
}
