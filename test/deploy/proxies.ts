/** The samples of deploy/ for nginx and HAProxy, with addresses, ports and a certificate of the tests, checked and started. */
import { execFile, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../core/redis/local-server.ts'
import { read } from '../docs/blocks.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { findExecutable } from '../helpers/executables.ts'
import { useFolder } from '../helpers/redis.ts'

export const PROXIES = ['nginx', 'haproxy'] as const
export type ProxyName = (typeof PROXIES)[number]

export interface Proxy {
  /** `https://…`, without a slash at the end. */
  url: string
  httpPort: number
  httpsPort: number
  certificate: string
}

interface Prepared extends Proxy {
  run: string[]
  check: string[]
}

const run = promisify(execFile)

/** The missing program that tests with this proxy need, if any. */
export const missingFor = (name: ProxyName): string | undefined =>
  [name, 'openssl'].find((program) => !findExecutable(program))

/** Replaces each of these texts, which the sample must have. */
function replaceAll(text: string, replacements: readonly (readonly [string | RegExp, string])[]): string {
  return replacements.reduce((changed, [from, to]) => {
    const next = changed.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'gm'), to)
    if (next === changed) throw new Error(`the sample has no ${from}`)
    return next
  }, text)
}

/** @param servers two addresses, `http://host:port` */
export async function prepareProxy(name: ProxyName, servers: readonly string[]): Promise<Prepared> {
  const folder = useFolder()
  const [httpPort, httpsPort] = [await freePort(), await freePort()]
  const [crt, key, pem] = ['crt', 'key', 'pem'].map((ending) => join(folder, `halfway.${ending}`)) as [
    string,
    string,
    string,
  ]
  const subject = ['-subj', '/CN=halfway.example.com', '-addext', 'subjectAltName=DNS:halfway.example.com']
  const files = ['-keyout', key, '-out', crt]
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    ...subject,
    ...files,
  ])
  writeFileSync(pem, readFileSync(crt, 'utf8') + readFileSync(key, 'utf8'))
  const [first = '', second = ''] = servers.map((url) => new URL(url).host)
  const proxy = {
    url: `https://127.0.0.1:${httpsPort}`,
    httpPort,
    httpsPort,
    certificate: readFileSync(crt, 'utf8'),
  }
  const file = join(folder, name)

  if (name === 'haproxy') {
    const sample = replaceAll(read('deploy/haproxy/haproxy.cfg'), [
      // The limit of open files may be low.
      ['maxconn 8000', 'maxconn 1000'],
      [' bind :80', ` bind 127.0.0.1:${httpPort}`],
      [' bind :443', ` bind 127.0.0.1:${httpsPort}`],
      ['/etc/haproxy/halfway.pem', pem],
      ['server-1:3000', first],
      ['server-2:3000', second],
    ])
    writeFileSync(file, sample)
    return { ...proxy, run: ['haproxy', '-db', '-f', file], check: ['haproxy', '-c', '-f', file] }
  }
  const sample = replaceAll(read('deploy/nginx/halfway.conf'), [
    ['listen 80;', `listen 127.0.0.1:${httpPort};`],
    ['listen 443 ', `listen 127.0.0.1:${httpsPort} `],
    // A machine of the tests may have no IPv6.
    [/^ *listen \[::\].*$/, ''],
    ['/etc/nginx/halfway.crt', crt],
    ['/etc/nginx/halfway.key', key],
    ['127.0.0.1:3000', first],
    ['127.0.0.1:3001', second],
  ])
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${join(folder, what)};`,
  )
  const around = `daemon off;\npid ${join(folder, 'pid')};\nerror_log ${join(folder, 'error.log')};\nevents { worker_connections 4096; }\n`
  writeFileSync(file, `${around}http {\naccess_log off;\n${temporary.join('\n')}\n${sample}}\n`)
  const common = ['nginx', '-e', join(folder, 'error.log'), '-c', file]
  return { ...proxy, run: common, check: [...common, '-t'] }
}

/** Checks the sample as its program does. @throws with what the program says */
export async function checkProxy(name: ProxyName, servers: readonly string[]): Promise<void> {
  const [command = '', ...args] = (await prepareProxy(name, servers)).check
  const { stdout, stderr } = await run(command, args)
  if (/\b(?:warn|alert|emerg|warning)\b/i.test(stdout + stderr)) throw new Error(stdout + stderr)
}

/** Resolves once it answers; stopped after the file's tests. */
export async function startProxy(name: ProxyName, servers: readonly string[]): Promise<Proxy> {
  const { run, check: _, ...proxy } = await prepareProxy(name, servers)
  const [command = '', ...args] = run
  const child = spawn(command, args, { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  cleanUp(async () => {
    child.kill('SIGTERM')
    await ended
  })
  await eventually(async () => {
    if ((await getOverTls(proxy, '/livez')) !== 200) throw new Error(`${name} does not answer`)
  })
  return proxy
}

/** The status of a GET by the name of the sample, whose certificate is checked. */
export const getOverTls = ({ httpsPort, certificate }: Proxy, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const host = 'halfway.example.com'
    const options = {
      host: '127.0.0.1',
      port: httpsPort,
      path,
      ca: certificate,
      servername: host,
      headers: { host },
    }
    request(options, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
