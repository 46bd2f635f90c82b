/** Certificates for tests, made with openssl: a CA, another one, and certificates of servers and clients. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installedServer } from '../../core/redis/local-server.ts'
import { onRealRedis, useFolder } from './redis.ts'

/** Paths of PEM files. */
export interface Certificate {
  cert: string
  key: string
}

export interface Authority {
  /** Its own certificate. */
  ca: string
  /** @param names as openssl takes them, such as `DNS:localhost,IP:127.0.0.1` */
  issue(names: string): Certificate
}

/** Why tests of TLS cannot run here; null when they can. */
export const noTls = (): string | null => {
  if (!onRealRedis) return 'no redis-server or valkey-server'
  if (spawnSync('openssl', ['version'], { stdio: 'ignore' }).status !== 0) return 'no openssl'
  const { stdout, stderr } = spawnSync(installedServer() as string, ['--tls-port', 'none'])
  return /bad directive/i.test(`${stdout}${stderr}`) ? 'a redis-server without TLS' : null
}

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args)
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function createAuthority(name: string): Authority {
  const dir = useFolder()
  const path = (file: string): string => join(dir, file)
  const [ca, caKey] = [path('ca.crt'), path('ca.key')]
  openssl('req', '-x509', ...KEY, '-keyout', caKey, '-out', ca, '-days', '2', '-subj', `/CN=${name}`)
  let issued = 0
  return {
    ca,
    issue(names) {
      const id = ++issued
      const [cert, key, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((kind) =>
        path(`${id}.${kind}`),
      ) as [string, string, string, string]
      writeFileSync(extensions, `subjectAltName=${names}\n`)
      openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name} ${id}`)
      openssl(
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        ca,
        '-CAkey',
        caKey,
        '-CAcreateserial',
        '-out',
        cert,
        '-days',
        '2',
        '-extfile',
        extensions,
      )
      return { cert, key }
    },
  }
}
