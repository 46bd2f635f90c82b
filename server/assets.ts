/** What the browser loads, as `public/build.mjs` made it: where each file is, and how long it may be kept. */
import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { RequestHandler } from 'express'
import sirv from 'sirv'

export interface Assets {
  /** The address of a file for our own pages: by the hash of its content where it has one. */
  href(name: string): string
  serve: RequestHandler
}

/** The end of a path such as `/style.0123456789.css`. */
const HASHED = /\.[0-9a-f]{10}(\.\w+)$/

/**
 * A name with a hash always means the same bytes. A name whose hash is not of this build is asked for by a page, or an
 * element on another site, of another version during a deploy: it gets the file of this version, which is not kept.
 */
export function openAssets(folder: string): Assets {
  const manifest = join(folder, 'manifest.json')
  const hashed: Record<string, string> = existsSync(manifest)
    ? JSON.parse(readFileSync(manifest, 'utf8'))
    : {}
  const files = sirv(folder, { brotli: true, gzip: true, etag: true, extensions: [], setHeaders })
  return {
    href: (name) => `/assets/${hashed[name] ?? name}`,
    serve(req, res, next) {
      files(req, res, () => {
        const [path = '', query] = req.url.split('?', 2)
        if (!HASHED.test(path)) return next()
        req.url = path.replace(HASHED, '$1') + (query === undefined ? '' : `?${query}`)
        files(req, res, next)
      })
    },
  }
}

function setHeaders(res: ServerResponse, path: string): void {
  res.setHeader('Cache-Control', HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
  // Script, style and font are nobody's secret, and the element on another site needs them.
  res.setHeader('Access-Control-Allow-Origin', '*')
  res.setHeader('Cross-Origin-Resource-Policy', 'cross-origin')
  // Tells the element whether the server is reached by HTTP/2: only then does it open an event stream.
  res.setHeader('Timing-Allow-Origin', '*')
}
