/** Describes errors of Redis and of its connection for people. */

const REASONS: readonly [RegExp, string][] = [
  [/NOAUTH/, 'it wants a password'],
  [/WRONGPASS/, 'the password is wrong'],
  [/DB index is out of range/, 'it has no such database'],
  [/^MISCONF/, 'it cannot save to its disk'],
  [/No such master|invalid reply: null/, 'the Sentinels know no master of that name'],
  [/All sentinels are unreachable/, 'no Sentinel answers'],
  [/Protocol error|ParserError|Unknown RESP type/, 'it is no Redis: its answers make no sense'],
  [/^Connection is closed\.$|aborted due to connection close|Stream isn't writeable/, 'no connection'],
  [/timed out|timeout/i, 'no answer in time'],
]

/** The error of a failed command as a sentence. */
export function describeRedisError(error: unknown): string {
  if (error instanceof Error && error.name === 'ReplyError')
    return `Redis refuses a command: ${error.message}`
  return `Redis does not answer (${describeReason(error)}).`
}

export function describeReason(error: unknown): string {
  const { code, message, lastNodeError } = error as { code?: string; message?: string; lastNodeError?: Error }
  const text = lastNodeError?.message ?? message ?? ''
  const known = REASONS.find(([pattern]) => pattern.test(text))
  return known?.[1] ?? code ?? (text || 'no answer')
}
