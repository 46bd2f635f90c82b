/** TLS of the connections to Redis: trusted CAs, a client certificate. Host names are always checked. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import type { TlsFiles } from '../runtime/redis-target.ts'
import { StartupError } from '../runtime/startup-error.ts'

/** @throws StartupError naming the file that cannot be used */
export function openTls({ ca, cert, key }: TlsFiles = {}): ConnectionOptions {
  const files = {
    ca: readCertificate('REDIS_TLS_CA', ca),
    cert: readCertificate('REDIS_TLS_CERT', cert),
    key: readPem('REDIS_TLS_KEY', key),
  }
  try {
    // Spelt out, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default.
    return { secureContext: createSecureContext(files), rejectUnauthorized: true }
  } catch (cause) {
    throw new StartupError(
      `REDIS_TLS_KEY: ${key} is no private key without a passphrase, or does not belong to the certificate in REDIS_TLS_CERT.`,
      { cause },
    )
  }
}

function readPem(setting: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartupError(`${setting}: the file ${path} cannot be read (${code}).`, { cause })
  }
}

function readCertificate(setting: string, path: string | undefined): string | undefined {
  const pem = readPem(setting, path)
  try {
    if (pem !== undefined) new X509Certificate(pem)
    return pem
  } catch (cause) {
    throw new StartupError(`${setting}: the file ${path} holds no certificate in PEM format.`, { cause })
  }
}
