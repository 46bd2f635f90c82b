/**
 * Makes `public/dist/`, which the server serves under `/assets/`: scripts bundled, the stylesheet minified. Another
 * folder may be named as an argument.
 */
import { copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = import.meta.dirname
const dist = process.argv[2] ?? join(here, 'dist')

await build({
  entryPoints: ['progress.ts', 'form.ts', 'style.css'].map((file) => join(here, file)),
  outdir: dist,
  bundle: true,
  minify: true,
  format: 'esm',
  external: ['./vazirmatn.woff2'],
  target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
  sourcemap: 'linked',
  legalComments: 'none',
  logLevel: 'warning',
})
await copyFile(join(here, 'icon.svg'), join(dist, 'icon.svg'))

// Persian letters only, all weights in one file: the rest of a Persian page is in the fonts of the system.
const vazirmatn = dirname(fileURLToPath(import.meta.resolve('vazirmatn/package.json')))
await copyFile(
  join(vazirmatn, 'misc/Non-Latin/fonts/webfonts/Vazirmatn-NL[wght].woff2'),
  join(dist, 'vazirmatn.woff2'),
)
await copyFile(join(vazirmatn, 'OFL.txt'), join(dist, 'vazirmatn-license.txt'))
