/**
 * Builds the pages' assets and a bundle of each process that tests start, once per run, from the current sources. A bundle
 * starts in a quarter of the time of tsx with a thousand files; nothing else about the processes differs.
 */
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Preload it with `--require`: it runs the bundle of a main file instead, also in child processes. */
    runBundled: string
    /** The folder that the server serves under `/assets/`, with axe, which browsers load faster from there. */
    assets: string
  }
}

const ROOT = join(import.meta.dirname, '../..')
const BUILD_ASSETS = fileURLToPath(new URL('../../public/build.mjs', import.meta.url))
const POOL_WORKER = fileURLToPath(new URL('./pool-worker.ts', import.meta.url))
const MAINS = [
  'start.ts',
  'server/main.ts',
  'workers/main.ts',
  'bridge/main.ts',
  'cli/main.ts',
  './bots/**/main.ts',
  'test/helpers/test-bot/main.ts',
]
/** The modules with tasks that bundled processes run. */
const TASKS = [
  'test/helpers/fixtures/tasks.ts',
  'test/helpers/test-bot/tasks.ts',
  ...readdirSync(join(ROOT, 'bots'), { recursive: true, encoding: 'utf8' })
    .filter((path) => basename(path) === 'tasks.ts')
    .map((path) => `bots/${path.replaceAll('\\', '/')}`),
]

/**
 * Keeps the original path of each module, so that it finds the files beside it, such as templates and Lua scripts.
 * Tinypool needs that as well, because it starts a file of its own.
 *
 * @param poolEntry the URL of what a process or thread of the pool loads first
 */
const originalPaths = (poolEntry: string): Plugin => ({
  name: 'original-paths',
  setup({ onLoad }) {
    onLoad({ filter: /\.[jt]s$/ }, ({ path }) => {
      if (path.includes('node_modules') && !path.includes('node_modules/tinypool/')) return null
      const contents = readFileSync(path, 'utf8')
        .replace("'../pool-entry.mjs'", JSON.stringify(poolEntry))
        .replaceAll('import.meta.dirname', JSON.stringify(join(path, '..')))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
      return { contents, loader: 'ts' }
    })
  },
})

/**
 * Bundles what the pool of a bundled process starts into `dir`, as in the npm package: without tsx, which would take most
 * of the time of each process and thread.
 *
 * @returns the URL of what the pool loads first
 */
async function bundlePool(dir: string): Promise<string> {
  mkdirSync(dir)
  copyFileSync(join(ROOT, 'core/tasks/pool-entry.mjs'), join(dir, 'pool-entry.mjs'))
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }')
  const url = (path: string): string => JSON.stringify(pathToFileURL(`${path}/`).href)
  await build({
    entryPoints: [
      { in: POOL_WORKER, out: 'pool-worker' },
      ...TASKS.map((file) => ({ in: file, out: file.replace(/\.ts$/, '') })),
    ],
    absWorkingDir: ROOT,
    outdir: dir,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    define: { SOURCES: url(ROOT), BUNDLES: url(dir) },
    logLevel: 'error',
  })
  return pathToFileURL(join(dir, 'pool-entry.mjs')).href
}

/**
 * Bundles the processes into `dir`, with the preload that runs them.
 *
 * @param more further entry points, relative to the project's root
 * @param plugins asked before the others
 * @returns the preload (`--require`)
 */
export async function bundleProcesses(
  dir: string,
  { more = [], plugins = [] }: { more?: string[]; plugins?: Plugin[] } = {},
): Promise<string> {
  const runBundled = join(dir, 'run-bundled.cjs')
  copyFileSync(join(import.meta.dirname, 'run-bundled.cjs'), runBundled)
  await build({
    entryPoints: [...MAINS, ...more],
    absWorkingDir: ROOT,
    outbase: ROOT,
    outdir: dir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    keepNames: true,
    // CommonJS packages load Node's modules with `require`.
    banner: {
      js: `import * as nodeModule from 'node:module'; const require = nodeModule.createRequire(import.meta.url);`,
    },
    plugins: [...plugins, originalPaths(await bundlePool(join(dir, 'pool')))],
    logLevel: 'error',
  })
  return runBundled
}

export default async function bundle({ provide }: TestProject): Promise<() => void> {
  const dir = mkdtempSync(join(tmpdir(), 'halfway-bundles-'))
  const assets = join(dir, 'assets')
  const building = promisify(execFile)(process.execPath, [BUILD_ASSETS, assets])
  const runBundled = await bundleProcesses(dir, {
    more: ['./test/helpers/fixtures/*.ts', './test/faults/fixtures/*.ts'],
  })
  await building
  copyFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), join(assets, 'axe.js'))
  provide('runBundled', runBundled)
  provide('assets', assets)
  return () => rmSync(dir, { recursive: true, force: true })
}
