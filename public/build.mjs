/** Makes `public/dist/`, which the server serves under `/assets/`: scripts bundled, the stylesheet minified. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

const here = import.meta.dirname

await build({
  entryPoints: ['progress.ts', 'form.ts', 'style.css'].map((file) => join(here, file)),
  outdir: join(here, 'dist'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
  sourcemap: 'linked',
  legalComments: 'none',
  logLevel: 'warning',
})
await copyFile(join(here, 'icon.svg'), join(here, 'dist', 'icon.svg'))
