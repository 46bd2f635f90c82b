/**
 * The pair of keys with which an installation signs its calls to push services (VAPID, RFC 8292). It is derived from the
 * installation's secret, and so is the same in every process, without a key of its own that could be lost.
 */
import { createECDH } from 'node:crypto'
import type { InstallationSecret } from './installation-secret.ts'

export interface VapidKeys {
  /** The point on P-256, uncompressed, as base64url: what browsers subscribe with. */
  publicKey: string
  privateKey: { kty: 'EC'; crv: 'P-256'; d: string; x: string; y: string }
}

/** @returns the present keys: those of the secret that the installation shares, once the process has it */
export function createVapidKeys(secret: Pick<InstallationSecret, 'digest'>): () => VapidKeys {
  let keys: VapidKeys | undefined
  return () => {
    const d = secret.digest('vapid', 'P-256')
    if (keys?.privateKey.d !== d) keys = toKeys(d)
    return keys
  }
}

function toKeys(d: string): VapidKeys {
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(d, 'base64url')
  const point = curve.getPublicKey()
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'))
  return {
    publicKey: point.toString('base64url'),
    privateKey: { kty: 'EC', crv: 'P-256', d, x: x as string, y: y as string },
  }
}
