/**
 * Builds `dist/`, which is the npm package: every process as JavaScript with its types, file by file, and beside each file
 * what it reads by path. The assets of the pages are built first, into `public/dist/`, and copied.
 */
import { spawnSync } from 'node:child_process'
import { cp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { build } from 'esbuild'

const ROOT = import.meta.dirname
const DIST = join(ROOT, 'dist')
const FOLDERS = ['core', 'server', 'workers', 'bridge', 'bots', 'cli']
const READ_BY_PATH = new Set(['.lua', '.eta', '.mjs', '.css'])

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

const require = createRequire(import.meta.url)
const typescript = dirname(require.resolve('typescript/package.json'))

run(join(ROOT, 'public/build.mjs'))
await rm(DIST, { recursive: true, force: true })
run(join(typescript, 'bin/tsc'), '--project', 'tsconfig.build.json')
for (const folder of FOLDERS)
  await cp(join(ROOT, folder), join(DIST, folder), {
    recursive: true,
    filter: (path) => !path.endsWith('/test') && (!extname(path) || READ_BY_PATH.has(extname(path))),
  })
await cp(join(ROOT, 'public/dist'), join(DIST, 'public/dist'), { recursive: true })

// The JavaScript Redis is bundled: as a dependency it would bring a second ioredis, which BullMQ would then load.
const jsRedis = dirname(dirname(require.resolve('js-redis-server')))
const lua = createRequire(join(jsRedis, 'package.json')).resolve('lua-redis-wasm')
await build({
  entryPoints: [join(ROOT, 'core/redis/js-server.mjs')],
  outfile: join(DIST, 'core/redis/js-server.mjs'),
  allowOverwrite: true,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: ['ioredis', 'redis'],
  legalComments: 'inline',
  logLevel: 'warning',
})
for (const name of ['redis_lua.mjs', 'redis_lua.wasm'])
  await cp(join(dirname(lua), name), join(DIST, 'core/redis', name))
await cp(join(jsRedis, 'LICENSE'), join(DIST, 'core/redis/js-redis-server.license.txt'))
for (const name of ['LICENSE', 'THIRD_PARTY_NOTICES.md'])
  await cp(join(dirname(lua), '..', name), join(DIST, 'core/redis', `lua-redis-wasm-${name.toLowerCase()}`))
