/** One request as the kit plays it: what the bot reports is recorded, and the answers follow a script. */
import { EventEmitter, once } from 'node:events'
import type { ReportName } from './report-schemas.ts'

/** Why an attempt has nothing more to do. */
type StopReason = 'already_final' | 'stale_attempt'

export interface BotReport {
  what: ReportName
  body: Readonly<Record<string, unknown>>
  /** Monotonic clock, milliseconds. */
  at: number
}

/** What the network and the server do to a report. */
export interface Script {
  /** Awaited before the report is answered. */
  delay?(report: BotReport): Promise<unknown>
  /** Instead of the usual answer: the server is away, the connection breaks, or the request has ended. */
  refuse?(report: BotReport): 503 | 'broken' | 409 | null
  /** What the person types, one code for each question. */
  codes?: string[]
  /** The person wants another code before typing one. */
  wantsResend?: boolean
}

export interface PlayedRequest {
  readonly hash: string
  readonly reports: readonly BotReport[]
  /** Reports that the server refuses as invalid. */
  readonly faults: readonly string[]
  readonly script: Script
  readonly stop: StopReason | null
  /** Whether the bot asked `control` why it should stop. */
  readonly isControlled: boolean
  /** When the bot asked last for an answer or for a reason to stop. */
  readonly polledAt: number
  /** Whether the bot asks, and the person has no code to type. */
  readonly isStuck: boolean
  /** @param isApplied whether the server takes it: only then the person is asked */
  record(report: BotReport, isApplied: boolean): void
  recordFault(fault: string): void
  recordPoll(what: 'answer' | 'control'): void
  /** Ends the request: its reports are refused from now on. */
  end(reason: StopReason): void
  /**
   * Takes what the person did: the answer of a poll, once.
   * @param canResend whether the bot can send another code
   */
  takeAnswer(canResend: boolean): { answer: string } | { resend_requested: true } | null
  /** Resolves with the first report of this kind, or undefined when `signal` aborts. Heartbeats are no reports. */
  nextReport(signal: AbortSignal, isWanted?: (report: BotReport) => boolean): Promise<BotReport | undefined>
  /** Resolves when something has changed, or `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>
}

export function createPlayedRequest(hash: string, script: Script = {}): PlayedRequest {
  const events = new EventEmitter()
  events.setMaxListeners(0)
  const reports: BotReport[] = []
  const faults: string[] = []
  const codes = [...(script.codes ?? [])]
  let typed: string | undefined
  let { wantsResend = false } = script
  let stop: StopReason | null = null
  let isControlled = false
  let isStuck = false
  let polledAt = 0

  const changed = (signal: AbortSignal): Promise<void> =>
    once(events, 'change', { signal }).then(
      () => {},
      () => {},
    )

  return {
    hash,
    reports,
    faults,
    script,
    get stop() {
      return stop
    },
    get isControlled() {
      return isControlled
    },
    get polledAt() {
      return polledAt
    },
    get isStuck() {
      return isStuck
    },
    record(report, isApplied) {
      reports.push(report)
      if (isApplied && (report.what === 'ask' || report.what === 'reject')) {
        // A person who wants another code types the next one.
        typed = wantsResend ? codes[0] : codes.shift()
        isStuck = typed === undefined
      }
      events.emit('change')
    },
    recordFault: (fault) => void faults.push(fault),
    recordPoll(what) {
      polledAt = performance.now()
      if (what === 'control') isControlled = true
    },
    end(reason) {
      stop ??= reason
      events.emit('change')
    },
    takeAnswer(canResend) {
      if (wantsResend && canResend) {
        wantsResend = false
        isStuck = false
        typed = undefined
        return { resend_requested: true }
      }
      const answer = typed
      typed = undefined
      return answer === undefined ? null : { answer }
    },
    async nextReport(signal, isWanted = isWork) {
      for (;;) {
        const found = reports.find(isWanted)
        if (found || signal.aborted) return found
        await changed(signal)
      }
    },
    changed,
  }
}

/** A report of the handler: heartbeats come from the library. */
export const isWork = ({ what }: BotReport): boolean => what !== 'heartbeat'
