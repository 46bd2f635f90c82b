/**
 * Makes `public/dist/`, which the server serves under `/assets/`: scripts bundled, the stylesheet minified, icons drawn.
 * What pages load is there a second time under a name with a hash of its content, which browsers keep for ever;
 * `manifest.json` says which name that is. Another folder may be named as an argument.
 */
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { icons } from './icons.mjs'

const here = import.meta.dirname
/** Pages carry their texts parsed: the parser of ICU messages, a third of the script, stays on the server. */
const parser = '@formatjs/icu-messageformat-parser'
const fromFormatter = createRequire(import.meta.resolve('intl-messageformat'))

const dist = process.argv[2] ?? join(here, 'dist')
await mkdir(dist, { recursive: true })

/** The name with a hash of each file that has one. */
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

// Persian letters only, all weights in one file: the rest of a Persian page is in the fonts of the system.
const vazirmatn = dirname(fileURLToPath(import.meta.resolve('vazirmatn/package.json')))
await copyFile(
  join(vazirmatn, 'misc/Non-Latin/fonts/webfonts/Vazirmatn-NL[wght].woff2'),
  join(dist, 'vazirmatn.woff2'),
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
await bundle(['style.css'], { plugins: [fontByHash] })
await addHashed('style.css')

await bundle(['progress.ts', 'form.ts', 'halfway-progress.ts'], {
  alias: { [parser]: fromFormatter.resolve(`${parser}/no-parser.js`) },
  format: 'esm',
  define: {
    STYLE_FILE: JSON.stringify(hashed['style.css']),
    FONT_FILE: JSON.stringify(hashed['vazirmatn.woff2']),
  },
})
await addHashed('progress.js')
await addHashed('form.js')

for (const [name, svg] of Object.entries(icons)) await writeFile(join(dist, `${name}.svg`), svg)
await writeFile(join(dist, 'manifest.json'), JSON.stringify(hashed))

// A server that still runs goes on serving the names of the build before.
const DAY_MS = 24 * 3600 * 1000
for (const name of await readdir(dist)) {
  const path = join(dist, name)
  const isOld = /\.[0-9a-f]{10}\./.test(name) && Date.now() - (await stat(path)).mtimeMs > DAY_MS
  if (isOld) await rm(path)
}

// The font is compressed as it is.
for (const name of await readdir(dist)) {
  if (!/\.(?:js|css|svg|map|txt)$/.test(name)) continue
  const content = await readFile(join(dist, name))
  await writeFile(join(dist, `${name}.br`), brotliCompressSync(content))
  await writeFile(join(dist, `${name}.gz`), gzipSync(content, { level: 9 }))
}
