/**
 * Logs one line of JSON per message. Fields that may hold a secret are redacted by name, at any depth. Characters that a
 * terminal would act on are escaped.
 */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import { framesOf, messageForLog } from './error-cause.ts'
import { visibleJson } from './visible-text.ts'

const SECRET_NAMES = [
  'otp', 'otp_data', 'answer', 'request_data', 'result_data', 'data', 'body', 'token', 'password', 'mobile', 'national_code', 'account_number',
  'session_id', 'user_id', 'owner_token', 'ownerToken', 'owner_hash', 'authorization', 'cookie', 'set-cookie',
] // biome-ignore format: a list
const isSecret = new Set<string>(SECRET_NAMES)
/** Hardly any line has such a field. Searching the text costs a tenth of what pino's `redact` does for each line. */
const HAS_SECRET = new RegExp(`"(?:${SECRET_NAMES.join('|')})":`)
const CENSOR = '[secret]'

const redact = (line: string): string =>
  HAS_SECRET.test(line)
    ? `${JSON.stringify(JSON.parse(line), (key, value) => (isSecret.has(key) ? CENSOR : value))}\n`
    : line

export type Log = Logger
/** `writableLength`: what a stream has not written yet. */
export type LogDestination = DestinationStream & { readonly writableLength?: number }

/**
 * A pipe whose reader reads no more takes nothing, and Node keeps what it does not take. Beyond this, lines are dropped until
 * it takes some again.
 */
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024

export interface LogOptions {
  destination?: LogDestination
  /** In development the log has whole errors. Else messages that may quote what a person typed are left out. */
  wholeErrors?: boolean
}

/** What opens a request: its hash, and tokens of links. No line has one. Lines name a request by its short reference, as `request`. */
const OPENS_A_REQUEST = /(?:req|code|view)_[A-Za-z0-9_-]{16,140}/g

/**
 * `err` in a line is an error of our own code; `handler_err` one that the code of a bot has thrown.
 *
 * @param name the process or part that logs
 * @param level a pino level: trace, debug, info, warn, error, fatal, silent
 * @param options.destination standard output by default; pino's own writer would loop for ever on a closed pipe
 */
export function createLog(
  name: string,
  level: string,
  { destination = process.stdout, wholeErrors = true }: LogOptions = {},
): Log {
  const options = {
    name,
    level,
    base: { pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    serializers: {
      err: (error: unknown) => serializeError(error, wholeErrors ? wholeMessage : messageForLog),
      handler_err: (error: unknown) => serializeError(error, wholeErrors ? wholeMessage : () => undefined),
    },
  }
  let dropped = 0
  const log = pino(options, {
    write(line) {
      if ((destination.writableLength ?? 0) > MAX_UNWRITTEN_BYTES) return void dropped++
      const lines = dropped
      dropped = 0
      if (lines > 0) log.warn({ lines }, 'lines of this log were dropped: nothing read them')
      destination.write(visibleJson(redact(line).replace(OPENS_A_REQUEST, CENSOR)))
    },
  })
  return log
}

/** Causes can be circular. */
const MAX_CAUSE_DEPTH = 5

const wholeMessage = (error: Error): string => error.message.slice(0, 1000)

/** Name, code, message, stack and causes; never other properties, where libraries store requests and commands. */
function serializeError(error: unknown, messageOf: (error: Error) => string | undefined, depth = 0): unknown {
  if (!(error instanceof Error)) {
    const message = messageOf === wholeMessage ? String(error).slice(0, 500) : typeof error
    return { message }
  }
  const { code } = error as { code?: unknown }
  const message = messageOf(error)
  return {
    type: error.name,
    ...(typeof code === 'string' && { error_code: code }),
    ...(message !== undefined && { message }),
    stack:
      messageOf === wholeMessage ? error.stack?.slice(0, 4000) : framesOf(error).join('\n').slice(0, 4000),
    ...(error.cause !== undefined &&
      depth < MAX_CAUSE_DEPTH && { cause: serializeError(error.cause, messageOf, depth + 1) }),
  }
}

/** The step that a bot reported. What is no identifier may be private data. */
export const stepForLog = (step: string): { step?: string } =>
  /^[a-z][a-z_.:-]{0,63}$/i.test(step) ? { step } : {}
