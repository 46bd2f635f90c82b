/**
 * What tests need to be built, once for a run, from the sources as they are now: the assets of the pages, and a bundle of
 * each process that tests start. A bundle starts in a quarter of the time that tsx and a thousand files take; nothing else
 * about the processes differs.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Preloaded (`--require`), it runs a main file's bundle in its place; its own child processes' too. */
    runBundled: string
    /** The folder that the server serves under `/assets/`; with axe, which browsers read faster from there. */
    assets: string
  }
}

const ROOT = join(import.meta.dirname, '../..')
const MAINS = [
  'start.ts',
  'server/main.ts',
  'workers/main.ts',
  'bots/inquiry-provider/main.ts',
  'bots/demo-portal/main.ts',
  'bots/concurrency-processor/main.ts',
  'cli/main.ts',
]

/**
 * Our files find what lies beside them, such as templates and scripts, where they were written; so does the pool of
 * processes and threads, which starts a file of its own.
 */
const originalPaths: Plugin = {
  name: 'where-it-was',
  setup({ onLoad }) {
    onLoad({ filter: /\.[jt]s$/ }, ({ path }) => {
      if (path.includes('node_modules') && !path.includes('node_modules/tinypool/')) return null
      const contents = readFileSync(path, 'utf8')
        .replaceAll('import.meta.dirname', JSON.stringify(join(path, '..')))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
      return { contents, loader: 'ts' }
    })
  },
}

export default async function bundle({ provide }: TestProject): Promise<() => void> {
  const dir = mkdtempSync(join(tmpdir(), 'halfway-bundles-'))
  const assets = join(dir, 'assets')
  const building = promisify(execFile)(process.execPath, [join(ROOT, 'public/build.mjs'), assets])
  const runBundled = join(dir, 'run-bundled.cjs')
  copyFileSync(join(import.meta.dirname, 'run-bundled.cjs'), runBundled)
  await build({
    entryPoints: [...MAINS, './test/helpers/fixtures/*.ts'],
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
    // Packages that are CommonJS ask for Node's own modules by it.
    banner: {
      js: `import * as ofModules from 'node:module'; const require = ofModules.createRequire(import.meta.url);`,
    },
    plugins: [originalPaths],
    logLevel: 'error',
  })
  await building
  copyFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), join(assets, 'axe.js'))
  provide('runBundled', runBundled)
  provide('assets', assets)
  return () => rmSync(dir, { recursive: true, force: true })
}
