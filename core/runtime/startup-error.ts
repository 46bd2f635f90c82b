/** A process cannot start, for a reason its operator can mend: told in one sentence, without a stack. */
export class StartupError extends Error {
  override name = 'StartError'
}

export class SettingsError extends StartupError {
  /** One sentence for each setting that is wrong. */
  readonly complaints: readonly string[]

  constructor(complaints: readonly string[]) {
    super(`The settings are not right:\n${complaints.map((complaint) => `  - ${complaint}`).join('\n')}`)
    this.complaints = complaints
  }
}
