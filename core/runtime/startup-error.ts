/** A process cannot start for a reason that its operator can fix: printed as one sentence, without a stack. */
export class StartupError extends Error {
  override name = 'StartupError'
}

export class SettingsError extends StartupError {
  /** One sentence per invalid setting. */
  readonly complaints: readonly string[]

  constructor(complaints: readonly string[]) {
    super(`The settings are invalid:\n${complaints.map((complaint) => `  - ${complaint}`).join('\n')}`)
    this.complaints = complaints
  }
}
