/**
 * An installation that has what the documents add: the bots that they show, which announce their services, and their programs.
 * The commands of the documents run in a shell of their own, with this installation behind the addresses that they name.
 */
import { execFile } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Plugin } from 'esbuild'
import { shortReference } from '../../core/domain/short-reference.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { bundleProcesses } from '../helpers/bundles.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { findExecutable } from '../helpers/executables.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'
import { useFolder } from '../helpers/redis.ts'
import { type Block, documentedFiles, ROOT } from './blocks.ts'

const TOKEN = 'token-of-documented-bots'
/** Of the bot over HTTP, which has a token of its own. */
export const BOT_TOKEN = 'token-of-the-bot-over-http'
/** The service of the handler that lets go of its call. */
export const WITHOUT_OPEN_CALL = 'parcel-pickup-without-open-call'
const SERVICES = ['parcel-tracking', 'parcel-pickup', WITHOUT_OPEN_CALL, 'bank-transfer']

export interface Installation extends Halfway {
  env: NodeJS.ProcessEnv
  /** Announces a service as a bot in any language does. */
  announce(definition: { slug: string; title: string }, address: string): Promise<void>
  /** Resolves once the server knows all of these services. */
  knows(slugs: readonly string[]): Promise<void>
  startProgram(path: string, args?: string[], env?: NodeJS.ProcessEnv): Child
  /** A shell in which the commands of one document run one after the other. */
  openShell(): Shell
}

export interface Shell {
  /** The request that `req_…` and the reference of the documents mean: the one given, else the one submitted last. */
  hash: string
  run(block: Pick<Block, 'text'>): Promise<string>
}

export const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => void server.closeAllConnections())
  cleanUp(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Serves the services of docs/ADD-A-SERVICE.md and docs/WRITE-A-BOT.md; the second form of its handler has a slug of its own. */
const BOT = 'documented-bot.ts'
const BOT_SOURCE = `
import { bankTransfer } from './bank-transfer/index.ts'
import { startBot } from './bots/bot-server/create-bot.ts'
import { runProcess } from './core/runtime/process.ts'
import { parcelPickup } from './parcel-pickup/index.ts'
import { parcelPickup as other } from './parcel-pickup/without-open-call.ts'

const slug = '${WITHOUT_OPEN_CALL}'
const renamed = { ...other, definition: { ...other.definition, slug }, service: { ...other.service, slug } }
await runProcess({ name: 'documented-bot', env: process.env }, (context) => startBot(context, [parcelPickup, renamed, bankTransfer]))
`

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

/** A stand-in for the carrier, the bank and the providers of the documents: sends codes, and accepts one. */
const carrier = createServer(async (req, res) => {
  const { code } = req.method === 'POST' ? JSON.parse(await text(req)) : { code: null }
  const isWrong = ['/pickups', '/transfers'].includes(req.url ?? '') && code !== '222222'
  res.writeHead(isWrong ? 403 : 200).end(JSON.stringify({ parcels: 3, visit: 'visit-1', score: 712 }))
})

/** @param more settings of the installation */
export async function startDocumented(more: NodeJS.ProcessEnv = {}): Promise<Installation> {
  const carrierUrl = await listen(carrier)
  const [port, botsPort, portalPort] = (await Promise.all([freePort(), freePort(), freePort()])).map(String)
  const dir = useFolder()
  const sources = [...documentedFiles(), [BOT, BOT_SOURCE] as const]
  const files = sources.map(([path, source]): [string, string] => [
    path,
    source
      .replaceAll(/https:\/\/(carrier|bank|\$\{provider\})\.example/g, carrierUrl)
      .replaceAll("new URL('./tasks.ts'", "new URL('./tasks.mjs'"),
  ])
  const programs = files.map(([path]) => path).filter((path) => /^[\w-]+\.ts$/.test(path))
  const runBundled = await bundleProcesses(dir, {
    more: programs.map((path) => `./${path}`),
    plugins: [documented(new Map(files.map(([path, source]) => [join(ROOT, path), source])))],
  })
  const settings = {
    LOCAL_API_TOKEN: TOKEN,
    BOT_TOKENS: `returns:${BOT_TOKEN}`,
    SUBMITS_PER_MINUTE: '1000',
    ACTIONS_PER_MINUTE: '1000',
    DEMO_PORTAL_PORT: portalPort,
    DEMO_PORTAL_SPEED: '40',
    LINK_CHECK_ALLOW_PRIVATE: 'true',
    LINK_CHECK_REQUESTS_PER_SECOND: '1000',
    ...more,
  }
  const halfway: Halfway = await startHalfway(settings, { preload: ['--require', runBundled], args: [] })
  const env = { REDIS_URL: halfway.redis.url, LOCAL_API_TOKEN: TOKEN }
  const startProgram = (path: string, args: string[] = [], more: NodeJS.ProcessEnv = {}): Child =>
    startChild(path, args, { ...env, ...more }, ['--require', runBundled])
  const announce: Installation['announce'] = async (definition, address) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` }
    const body = JSON.stringify({ definition, address, concurrency: 10 })
    const url = `${halfway.url}/api/bots/services/${definition.slug}`
    const { ok, status } = await fetch(url, { method: 'PUT', headers, body })
    if (!ok) throw new Error(`the announcement was answered ${status}`)
    await knows([definition.slug])
  }
  const knows: Installation['knows'] = (slugs) =>
    eventually(async () => {
      const { services } = (await (await fetch(`${halfway.url}/api/services`)).json()) as {
        services: { slug: string }[]
      }
      const known = services.map(({ slug }) => slug)
      const missing = slugs.filter((slug) => !known.includes(slug))
      if (missing.length > 0) throw new Error(`the server does not know ${missing}`)
    })
  for (const bot of ['my-bot.ts', BOT]) startProgram(bot, [], { LOCAL_API_PORT: String(await freePort()) })
  await knows(SERVICES)
  // A worker reports a new queue within seconds.
  await eventually(
    async () => {
      if (!(await fetch(`${halfway.url}/readyz`)).ok) throw new Error('the queues have no worker yet')
    },
    { withinMs: 30_000 },
  )
  return {
    ...halfway,
    env,
    announce,
    knows,
    startProgram,
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
        // Processes that are started in this shell have a port of their own.
        .replaceAll(
          'npm run cli -- healthcheck',
          `PORT=${new URL(halfway.url).port} npm run cli -- healthcheck`,
        )
        .replaceAll('req_…', shell.hash)
        .replaceAll('7KQ2M4XR', shortReference(shell.hash))
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
