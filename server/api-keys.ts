/**
 * API keys of programs that submit: those of API_KEYS, and those of a file, which may have limits of their own. The file is
 * read again whenever it changes, so that keys are replaced without a restart. Memory holds only digests of keys.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Log } from '../core/runtime/log.ts'
import { SettingsError } from '../core/runtime/startup-error.ts'
import type { SubmitterAccess } from '../core/runtime/submitter-settings.ts'

export interface KeyLimits {
  submits_per_minute?: number | undefined
  max_unfinished?: number | undefined
  /** The part of MAX_UNFINISHED_PER_QUEUE that its requests may take in each queue, up to 1. */
  queue_share?: number | undefined
}

export interface ApiKeys {
  /** The name of a key; null for one that is unknown. */
  nameOf(key: string): string | null
  limitsOf(name: string): KeyLimits
  stop(): void
}

const CHECK_EVERY_MS = 2_000
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest: 64 digits of 0-9 and a-f')
const fileSchema = z.record(
  z.string().regex(/^[\w-]{1,64}$/, 'a name has up to 64 letters, digits, - and _'),
  z.strictObject({
    key_sha256: z.union([digest.transform((one) => [one]), z.array(digest).min(1)]),
    submits_per_minute: z.int().min(1).optional(),
    max_unfinished: z.int().min(1).optional(),
    queue_share: z.number().gt(0).max(1).optional(),
  }),
)

interface Key extends KeyLimits {
  name: string
  digests: Buffer[]
}

/** @throws SettingsError when the file cannot be read or is invalid */
export function openApiKeys({
  access: { keyDigests, keysFile },
  log,
  checkEveryMs = CHECK_EVERY_MS,
}: {
  access: Pick<SubmitterAccess, 'keyDigests' | 'keysFile'>
  log: Log
  checkEveryMs?: number
}): ApiKeys {
  const ofSetting = Object.entries(keyDigests).map(([name, digests]) => toKey(name, digests, {}))
  const taken = Object.keys(keyDigests)
  let text = keysFile === undefined ? '' : readText(keysFile)
  let keys = keysFile === undefined ? ofSetting : [...ofSetting, ...parseKeys(keysFile, text, taken)]

  let lastFault = ''

  function readAgain(file: string): void {
    try {
      const present = readText(file)
      if (present === text) return
      text = present
      keys = [...ofSetting, ...parseKeys(file, text, taken)]
      log.info({ names: keys.map(({ name }) => name) }, 'the API keys were read again')
    } catch (error) {
      const why = (error as Error).message
      if (why !== lastFault)
        log.error({ why }, 'the API keys could not be read again; the former ones stay valid')
      lastFault = why
    }
  }
  const timer =
    keysFile === undefined ? undefined : setInterval(() => readAgain(keysFile), checkEveryMs).unref()

  return {
    nameOf(key) {
      const given = hash('sha256', key, 'buffer')
      // All are compared, so that the time does not tell which one is close.
      const found = keys.filter(({ digests }) => digests.some((one) => timingSafeEqual(one, given)))
      return found[0]?.name ?? null
    },
    limitsOf: (name) => keys.find((key) => key.name === name) ?? {},
    stop: () => clearInterval(timer),
  }
}

const toKey = (name: string, digests: readonly string[], limits: KeyLimits): Key => ({
  ...limits,
  name,
  digests: digests.map((one) => Buffer.from(one, 'hex')),
})

const complaint = (file: string, fault: string) => new SettingsError([`API_KEYS_FILE: ${file}: ${fault}`])

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw complaint(file, (error as Error).message)
  }
}

function parseKeys(file: string, text: string, taken: readonly string[]): Key[] {
  const complain = (fault: string) => complaint(file, fault)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The message of the error repeats part of the file.
    throw complain('is no JSON')
  }
  const parsed = fileSchema.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw complain(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  const both = Object.keys(parsed.data).find((name) => taken.includes(name))
  if (both !== undefined) throw complain(`${both}: is in API_KEYS, too`)
  return Object.entries(parsed.data).map(([name, { key_sha256, ...limits }]) =>
    toKey(name, key_sha256, limits),
  )
}
