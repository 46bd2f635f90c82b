/**
 * Logs one line of JSON per message. Fields that may hold a secret are redacted by name, at any of the first four levels.
 * Characters that a terminal would act on are escaped.
 */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import { visibleJson } from './visible-text.ts'

const SECRET_NAMES = [
  'otp', 'otp_data', 'answer', 'request_data', 'result_data', 'data', 'body', 'token', 'password', 'mobile', 'national_code', 'account_number',
  'session_id', 'user_id', 'owner_token', 'ownerToken', 'owner_hash', 'authorization', 'cookie', '["set-cookie"]',
] // biome-ignore format: a list
const redacted = SECRET_NAMES.flatMap((name) =>
  ['', '*', '*.*', '*.*.*'].map((parents) =>
    name.startsWith('[') || parents === '' ? parents + name : `${parents}.${name}`,
  ),
)

export type Log = Logger

/**
 * @param name the process or part that logs
 * @param level a pino level: trace, debug, info, warn, error, fatal, silent
 * @param destination standard output by default; pino's own writer would loop for ever on a closed pipe
 */
export function createLog(name: string, level: string, destination: DestinationStream = process.stdout): Log {
  const options = {
    name,
    level,
    base: { pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: redacted, censor: '[secret]' },
    serializers: { err: (error: unknown) => serializeError(error) },
  }
  return pino(options, { write: (line) => destination.write(visibleJson(line)) })
}

/** Causes can be circular. */
const MAX_CAUSE_DEPTH = 5

/** Name, code, message, stack and causes; never other properties, where libraries store requests and commands. */
function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: String(error).slice(0, 500) }
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    ...(typeof code === 'string' && { error_code: code }),
    message: error.message.slice(0, 1000),
    stack: error.stack?.slice(0, 4000),
    ...(error.cause !== undefined &&
      depth < MAX_CAUSE_DEPTH && { cause: serializeError(error.cause, depth + 1) }),
  }
}
