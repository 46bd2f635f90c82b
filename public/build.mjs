/**
 * Makes `public/dist/`, which the server serves under `/assets/`: scripts bundled, the stylesheet minified, icons drawn.
 * Another folder may be named as an argument.
 */
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
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

await build({
  entryPoints: ['progress.ts', 'form.ts', 'halfway-progress.ts', 'style.css'].map((file) => join(here, file)),
  outdir: dist,
  bundle: true,
  alias: { [parser]: fromFormatter.resolve(`${parser}/no-parser.js`) },
  minify: true,
  format: 'esm',
  external: ['./vazirmatn.woff2'],
  target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
  sourcemap: 'linked',
  legalComments: 'none',
  logLevel: 'warning',
})
for (const [name, svg] of Object.entries(icons)) await writeFile(join(dist, `${name}.svg`), svg)

// Persian letters only, all weights in one file: the rest of a Persian page is in the fonts of the system.
const vazirmatn = dirname(fileURLToPath(import.meta.resolve('vazirmatn/package.json')))
await copyFile(
  join(vazirmatn, 'misc/Non-Latin/fonts/webfonts/Vazirmatn-NL[wght].woff2'),
  join(dist, 'vazirmatn.woff2'),
)
await copyFile(join(vazirmatn, 'OFL.txt'), join(dist, 'vazirmatn-license.txt'))

// The font is compressed as it is.
for (const name of await readdir(dist)) {
  if (!/\.(?:js|css|svg|map|txt)$/.test(name)) continue
  const content = await readFile(join(dist, name))
  await writeFile(join(dist, `${name}.br`), brotliCompressSync(content))
  await writeFile(join(dist, `${name}.gz`), gzipSync(content, { level: 9 }))
}
