/**
 * An installation that has what the documents add: their services in the catalogue and at the bots, their programs beside it.
 * The commands of the documents run in a shell of their own, with this installation behind the addresses that they name.
 */
import { execFile } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Plugin } from 'esbuild'
import { freePort } from '../../core/redis/local-server.ts'
import { bundleProcesses } from '../helpers/bundles.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { findExecutable } from '../helpers/executables.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'
import { useFolder } from '../helpers/redis.ts'
import { type Block, documentedFiles, ROOT, read } from './blocks.ts'

const TOKEN = 'token-of-documented-bots'
/** The service of the handler that lets go of its call. */
export const WITHOUT_OPEN_CALL = 'parcel-pickup-without-open-call'
const HANDLERS = {
  'parcel-tracking': './parcel-tracking/index.ts',
  'parcel-pickup': './parcel-pickup/index.ts',
  [WITHOUT_OPEN_CALL]: './parcel-pickup/without-open-call.ts',
}

export interface Installation extends Halfway {
  env: NodeJS.ProcessEnv
  /** Sends the calls for a service to the bot at this address instead of the installation's own. */
  route(slug: string, url: string): void
  /** Starts a program that a document shows, on a free port instead of its own; returns its address. */
  startBot(path: string): Promise<string>
  startProgram(path: string, args?: string[], env?: NodeJS.ProcessEnv): Child
  /** A shell in which the commands of one document run one after the other. */
  openShell(): Shell
}

export interface Shell {
  /** The request that `req_…` means: the one given, else the one submitted last. */
  hash: string
  run(block: Pick<Block, 'text'>): Promise<string>
}

export const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => void server.closeAllConnections())
  cleanUp(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Inserts text after a marker that must be there. */
const insert = (source: string, marker: string, added: string): string => {
  if (!source.includes(marker)) throw new Error(`there is no ${marker}`)
  return source.replace(marker, marker + added)
}

/** The files of the documents by absolute path, and the two lists in which they name their services. */
function withLists(files: Map<string, string>): Map<string, string> {
  const catalogue = 'core/catalog/index.ts'
  const handlers = 'bots/inquiry-provider/services/index.ts'
  const imports = `import { parcelTracking } from './parcel-tracking.ts'\nimport { parcelPickup } from './parcel-pickup.ts'\n`
  const services = `, parcelTracking, parcelPickup, { ...parcelPickup, slug: '${WITHOUT_OPEN_CALL}' }`
  files.set(catalogue, imports + insert(read(catalogue), '[creditScoreRating', services))
  const handlerImports = Object.entries(HANDLERS).map(
    ([slug, path]) =>
      `import { createHandler as ${slug.replaceAll('-', '_')} } from ${JSON.stringify(path)}\n`,
  )
  const entries = Object.keys(HANDLERS).map((slug) => `\n  '${slug}': ${slug.replaceAll('-', '_')},`)
  const list = 'const SERVICES: Record<string, CreateHandler> = {'
  files.set(handlers, handlerImports.join('') + insert(read(handlers), list, entries.join('')))
  return new Map([...files].map(([path, source]) => [join(ROOT, path), source]))
}

const documented = (files: Map<string, string>): Plugin => ({
  name: 'documented',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.ts$/ }, ({ path, resolveDir, importer }) => {
      const file = join(resolveDir, path)
      // The folder of a documented file need not exist: esbuild finds nothing from there.
      return files.has(file) || files.has(importer) ? { path: file } : null
    })
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const contents = files.get(path)
      return contents === undefined ? null : { contents, loader: 'ts', resolveDir: dirname(path) }
    })
  },
})

/** A stand-in for the carrier and the providers of the documents: sends codes, and accepts one. */
const carrier = createServer(async (req, res) => {
  const { code } = req.method === 'POST' ? JSON.parse(await text(req)) : { code: null }
  const isWrong = req.url === '/pickups' && code !== '222222'
  res.writeHead(isWrong ? 403 : 200).end(JSON.stringify({ parcels: 3, visit: 'visit-1', score: 712 }))
})

/** @param more settings of the installation */
export async function startDocumented(more: NodeJS.ProcessEnv = {}): Promise<Installation> {
  const carrierUrl = await listen(carrier)
  const [port, botsPort, portalPort] = (await Promise.all([freePort(), freePort(), freePort()])).map(String)
  const dir = useFolder()
  const files = [...documentedFiles()].map(([path, source]): [string, string] => [
    path,
    source
      .replaceAll(/https:\/\/(carrier|\$\{provider\})\.example/g, carrierUrl)
      .replaceAll('9997', 'Number(process.env.BOT_PORT)')
      .replaceAll("new URL('./tasks.ts'", "new URL('./tasks.mjs'"),
  ])
  const programs = files.map(([path]) => path).filter((path) => /^[\w-]+\.ts$/.test(path))
  const runBundled = await bundleProcesses(dir, {
    more: programs.map((path) => `./${path}`),
    plugins: [documented(withLists(new Map(files)))],
  })
  const routes = new Map<string, string>()
  const dispatcher = createServer((req, res) => {
    const target = routes.get((req.url ?? '').split('/').at(-1) ?? '') ?? halfway.botUrl
    const { method, headers } = req
    const call = request(target + req.url, { method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
    })
    call.on('error', () => res.destroy())
    res.on('close', () => call.destroy())
    req.pipe(call)
  })
  const settings = {
    LOCAL_API_URL: await listen(dispatcher),
    LOCAL_API_TOKEN: TOKEN,
    SUBMITS_PER_MINUTE: '1000',
    ACTIONS_PER_MINUTE: '1000',
    DEMO_PORTAL_PORT: portalPort,
    DEMO_PORTAL_SPEED: '40',
    LINK_CHECK_ALLOW_PRIVATE: 'true',
    ...more,
  }
  const halfway: Halfway = await startHalfway(settings, { preload: ['--require', runBundled], args: [] })
  const env = { REDIS_URL: halfway.redis.url, LOCAL_API_TOKEN: TOKEN }
  const startProgram = (path: string, args: string[] = [], more: NodeJS.ProcessEnv = {}): Child =>
    startChild(path, args, { ...env, ...more }, runBundled)
  return {
    ...halfway,
    env,
    route: (slug, url) => void routes.set(slug, url),
    startProgram,
    async startBot(path) {
      const botPort = String(await freePort())
      startProgram(path, [], { BOT_PORT: botPort })
      return botAt(botPort)
    },
    openShell: () =>
      openShell(halfway, {
        ...env,
        PORT: port,
        LOCAL_API_PORT: botsPort,
        LOCAL_API_URL: halfway.botUrl,
        DEMO_PORTAL_PORT: portalPort,
        DOCS_RUN_BUNDLED: runBundled,
      }),
  }
}

/** The address of a bot on this port, once it answers; a call before that would wait for the service's backoff. */
export async function botAt(port: string | number): Promise<string> {
  const url = `http://127.0.0.1:${port}`
  await eventually(() => fetch(url, { method: 'POST', body: '{}' }))
  return url
}

/** Programs that the commands name, in a folder at the front of PATH. */
function standIns(redisUrl: string): string {
  const dir = useFolder()
  const write = (name: string, command: string): void => {
    writeFileSync(join(dir, name), `#!/bin/sh\nexec ${command} "$@"\n`)
    chmodSync(join(dir, name), 0o755)
  }
  const fixture = (name: string): string =>
    `'${process.execPath}' '${join(ROOT, 'test/helpers/fixtures', name)}'`
  write('npm', fixture('npm.mjs'))
  const redisCli = findExecutable('redis-cli')
  const { protocol, pathname } = new URL(redisUrl)
  const address = protocol === 'unix:' ? `-s '${pathname}'` : `-u '${redisUrl}'`
  write('redis-cli', redisCli ? `'${redisCli}' ${address}` : fixture('redis-cli.mjs'))
  return dir
}

function openShell(halfway: Halfway, env: NodeJS.ProcessEnv): Shell {
  const cwd = useFolder()
  const path = `${standIns(halfway.redis.url)}:${process.env.PATH}`
  let code = ''
  const shell: Shell = {
    hash: '',
    async run({ text: commands }) {
      const meant = commands
        .replaceAll('localhost:3000', new URL(halfway.url).host)
        .replaceAll('127.0.0.1:9998', `127.0.0.1:${env.DEMO_PORTAL_PORT}`)
        .replaceAll('req_…', shell.hash)
        .replaceAll('"otp": "123456"', `"otp": "${code}"`)
      const output = await new Promise<string>((resolve, reject) => {
        const options = { cwd, env: { ...env, PATH: path, HOME: process.env.HOME, DOCS_ROOT: ROOT } }
        execFile('bash', ['-euo', 'pipefail', '-c', meant], options, (error, stdout, stderr) =>
          error ? reject(new Error(`${meant}\n${stdout}${stderr}`, { cause: error })) : resolve(stdout),
        )
      })
      if (output.includes('"status_url"'))
        shell.hash = /"hash":"(req_[\w-]+)"/.exec(output)?.[1] ?? shell.hash
      code = /"code":"(\d{6})"/.exec(output)?.[1] ?? code
      return output
    },
  }
  return shell
}
