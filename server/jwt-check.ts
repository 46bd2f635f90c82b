/** Checks JWTs by the keys that their issuer publishes. Loaded only where SUBMITTERS names `jwt`. */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { AppError } from '../core/domain/errors.ts'
import type { SubmitterAccess } from '../core/runtime/submitter-settings.ts'

const MAX_SUBJECT_CHARACTERS = 200
const JWT_CLOCK_TOLERANCE_SECONDS = 10
const JWKS_TIMEOUT_MS = 5_000

/** Resolves with the subject of a valid token, and null for an invalid one. */
export function createJwtCheck({
  issuer,
  audience,
  keysUrl,
}: NonNullable<SubmitterAccess['jwt']>): (token: string) => Promise<string | null> {
  const keys = createRemoteJWKSet(new URL(keysUrl), { timeoutDuration: JWKS_TIMEOUT_MS })
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: JWT_CLOCK_TOLERANCE_SECONDS,
      })
      const { sub } = payload
      return typeof sub === 'string' && sub !== '' && sub.length <= MAX_SUBJECT_CHARACTERS ? sub : null
    } catch (error) {
      if (isFaultOfToken(error)) return null
      throw new AppError('sign_in_unavailable', { cause: error })
    }
  }
}

const FAULTS_OF_KEYS: readonly string[] = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']
const isFaultOfToken = (error: unknown): boolean =>
  error instanceof errors.JOSEError && !FAULTS_OF_KEYS.includes(error.code)
