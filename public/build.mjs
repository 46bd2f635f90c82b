/**
 * Builds `public/dist/`, which the server serves under `/assets/`: bundled scripts, the minified stylesheet, icons. Files
 * that pages load exist a second time under a name with a content hash, which browsers cache for ever; `manifest.json`
 * maps the names. The first argument replaces the folder.
 */
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { subsetOf } from './font.mjs'
import { icons } from './icons.mjs'

const here = import.meta.dirname
/** Pages contain their texts already parsed: without the parser of ICU messages the script is a third smaller. */
const parser = '@formatjs/icu-messageformat-parser'
const requireFromFormatter = createRequire(import.meta.resolve('intl-messageformat'))

const dist = process.argv[2] ?? join(here, 'dist')
await mkdir(dist, { recursive: true })

/** Maps file names to their names with a hash. */
const hashed = {}

async function addHashed(name) {
  const content = await readFile(join(dist, name))
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 10)
  hashed[name] = name.replace(/\.\w+$/, (extension) => `.${hash}${extension}`)
  await writeFile(join(dist, hashed[name]), content)
}

const bundle = (files, options) =>
  build({
    entryPoints: files.map((file) => join(here, file)),
    outdir: dist,
    bundle: true,
    minify: true,
    target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
    sourcemap: 'linked',
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
  })

const vazirmatn = dirname(fileURLToPath(import.meta.resolve('vazirmatn/package.json')))
await writeFile(
  join(dist, 'vazirmatn.woff2'),
  await subsetOf(join(vazirmatn, 'misc/Non-Latin/fonts/webfonts/Vazirmatn-NL[wght].woff2')),
)
await copyFile(join(vazirmatn, 'OFL.txt'), join(dist, 'vazirmatn-license.txt'))
await addHashed('vazirmatn.woff2')

const fontByHash = {
  name: 'font-by-hash',
  setup({ onResolve }) {
    onResolve({ filter: /vazirmatn\.woff2$/ }, () => ({
      path: `./${hashed['vazirmatn.woff2']}`,
      external: true,
    }))
  },
}
await bundle(['style.css', 'console.css'], { plugins: [fontByHash] })
await addHashed('style.css')
await addHashed('console.css')

/** The pages' sockets use no other transport: without them a script is 2 kB smaller. */
const onlyWebSocket = {
  name: 'only-websocket',
  setup({ onLoad }) {
    onLoad({ filter: /engine\.io-client\/build\/esm\/transports\/index\.js$/ }, () => ({
      contents: "import { WS } from './websocket.js'\nexport const transports = { websocket: WS }",
    }))
  },
}
await bundle(['progress.ts', 'form.ts', 'home.ts', 'console.ts', 'halfway-progress.ts'], {
  alias: { [parser]: requireFromFormatter.resolve(`${parser}/no-parser.js`) },
  plugins: [onlyWebSocket],
  format: 'esm',
  define: {
    STYLE_FILE: JSON.stringify(hashed['style.css']),
    FONT_FILE: JSON.stringify(hashed['vazirmatn.woff2']),
  },
})
await addHashed('progress.js')
await addHashed('form.js')
await addHashed('home.js')
await addHashed('console.js')

// At an address of its own, where its map is not.
await bundle(['service-worker.ts'], { format: 'iife', sourcemap: false })

for (const name of await readdir(join(here, 'icons')))
  await copyFile(join(here, 'icons', name), join(dist, name))
for (const [name, svg] of Object.entries(icons)) await writeFile(join(dist, `${name}.svg`), svg)
await writeFile(join(dist, 'manifest.json'), JSON.stringify(hashed))

// A running server still serves the names of the previous build.
const DAY_MS = 24 * 3600 * 1000
for (const name of await readdir(dist)) {
  const path = join(dist, name)
  const isOld = /\.[0-9a-f]{10}\./.test(name) && Date.now() - (await stat(path)).mtimeMs > DAY_MS
  if (isOld) await rm(path)
}

// The font format is compressed already.
for (const name of await readdir(dist)) {
  if (!/\.(?:js|css|svg|map|txt)$/.test(name)) continue
  const content = await readFile(join(dist, name))
  await writeFile(join(dist, `${name}.br`), brotliCompressSync(content))
  await writeFile(join(dist, `${name}.gz`), gzipSync(content, { level: 9 }))
}
