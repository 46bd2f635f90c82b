/** What the checks of a bot work with. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from '../../core/catalog/service-definition.ts'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { type BotCaller, type BotReply, type OpenCall, readReply } from './bot-call.ts'
import type { BotProcess } from './bot-process.ts'
import { createPlayedRequest, type PlayedRequest, type Script } from './played-request.ts'
import type { PlayedServer } from './played-server.ts'

/** Milliseconds. */
export interface KitLimits {
  /** For the first announcement. */
  announce: number
  /** For an answer that needs no work. */
  answer: number
  /** For an abort, by the contract. */
  stop: number
  /** How long a bot may report nothing while it works. */
  silence: number
  /** For a whole run. */
  run: number
  /** How long the kit watches for what should not come. */
  watch: number
  /** For the end of the process, once nothing runs. */
  exit: number
}

export const KIT_LIMITS: Omit<KitLimits, 'run'> = {
  announce: 20_000,
  answer: 5_000,
  stop: 1_000,
  silence: 30_000,
  watch: 700,
  exit: 10_000,
}

/** The most that the server stores. */
export const RESULT_LIMIT_BYTES = 256 * 1024

export interface CheckVerdict {
  check: string
  result: 'ok' | 'fail' | 'skip'
  /** What was observed; of a failure what is wrong, and why. */
  why: string
  /** The last lines that the command of the bot printed, of the first check that failed because the bot crashed. */
  output?: string[]
}

/** A check without its name and output. */
export type CheckFinding = Omit<CheckVerdict, 'check' | 'output'>

export const pass = (why: string): CheckFinding => ({ result: 'ok', why })
export const fail = (why: string): CheckFinding => ({ result: 'fail', why })
export const skip = (why: string): CheckFinding => ({ result: 'skip', why })

export interface FinishedRun {
  request: PlayedRequest
  reply: BotReply
  /** Milliseconds. */
  took: number
  /** How the bot asked for a code. */
  asked: 'report' | 'sms_sent' | null
}

export interface Kit {
  slug: string
  /** Null where no definition is known. */
  service: Service | null
  data: Record<string, unknown>
  token: string
  /** The right code, if the submitter has one. */
  code: string | null
  limits: KitLimits
  server: PlayedServer
  caller: BotCaller
  process: BotProcess | null
  signal: AbortSignal
  /** Creates a request that the bot may report on. */
  open(script?: Script): PlayedRequest
  /** Calls the bot as a worker does. */
  call(request: PlayedRequest, options?: { headers?: Record<string, string>; otp?: string }): OpenCall
  /** Calls the bot, types the codes, and waits for the end. */
  finish(request: PlayedRequest, call?: OpenCall): Promise<FinishedRun>
  wait(milliseconds: number): Promise<void>
}

type KitParts = Omit<Kit, 'open' | 'call' | 'finish' | 'wait'>

export function createKit(parts: KitParts): Kit {
  const { slug, data, token, code, limits, server, caller, signal } = parts

  const call: Kit['call'] = ({ hash }, { headers, otp } = {}) =>
    caller.start({
      path: `/api/services/${encodeURIComponent(slug)}`,
      token,
      headers: { 'idempotency-key': hash, 'x-attempt': '1', ...headers },
      body: { ...data, requestHash: hash, ...(otp !== undefined && { otp }) },
    })

  async function finish(request: PlayedRequest, open = call(request)): Promise<FinishedRun> {
    const { startedAt } = open
    let reply = await within(limits.run, request, open)
    let asked: FinishedRun['asked'] = request.reports.some(({ what }) => what === 'ask') ? 'report' : null
    const codes = [...(request.script.codes ?? [])]
    while (codeOf(reply) === 'SMS_SENT' || (asked === 'sms_sent' && codeOf(reply) === 'OTP_REJECTED')) {
      asked = 'sms_sent'
      const otp = codes.shift()
      if (otp === undefined) break
      reply = await within(limits.run, request, call(request, { otp }))
    }
    // Long polls end.
    request.end('already_final')
    return { request, reply, took: reply.at - startedAt, asked }
  }

  /** Closes a call that takes too long, or that waits for a code that is never typed. */
  async function within(
    milliseconds: number,
    request: PlayedRequest,
    { reply, close }: OpenCall,
  ): Promise<BotReply> {
    const over = AbortSignal.any([AbortSignal.timeout(milliseconds), signal])
    let isOver = false
    void reply.finally(() => {
      isOver = true
    })
    while (!isOver && !over.aborted && !request.isStuck) await Promise.race([reply, request.changed(over)])
    if (!isOver) close(`none within ${milliseconds / 1000} s`)
    return reply
  }

  return {
    ...parts,
    open(script = {}) {
      const request = createPlayedRequest(createRequestHash(Date.now()), {
        ...(code !== null && { codes: [code] }),
        ...script,
      })
      server.add(request)
      return request
    },
    call,
    finish,
    wait: (milliseconds) => sleep(milliseconds, undefined, { signal }),
  }
}

export function codeOf(reply: BotReply): string | undefined {
  const message = readReply(reply)
  return typeof message === 'string' ? undefined : message.code
}

/** Whether the bot completed it; else why not. */
export function describeRunFailure({ request, reply }: FinishedRun): string | null {
  const message = readReply(reply)
  if (request.isStuck || codeOf(reply) === 'SMS_SENT')
    return 'it asks for a code: give the right one with --code'
  if (typeof message === 'string') return message
  if (message.status === 'success') return null
  return `it answered ${message.code}${message.message ? `: ${message.message}` : ''}`
}
