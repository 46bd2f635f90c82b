/** Serves the browser files that `public/build.mjs` built, with their cache headers. */
import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { RequestHandler } from 'express'
import sirv from 'sirv'

export interface Assets {
  /** The address of a file for the server's own pages: with its content hash, where it has one. */
  href(name: string): string
  serve: RequestHandler
}

/** The end of a path such as `/style.0123456789.css`. */
const HASHED = /\.[0-9a-f]{10}(\.\w+)$/

/** With half of the servers of each version, a file is missed once in sixteen requests. */
const MAX_REDIRECTS = 3

/**
 * A hashed name always means the same bytes. During a deploy, a page or an embedded element of another version requests
 * names whose hash is not in this build. It is sent to the same address again, where a proxy may choose a server of that
 * version; at last it gets this version's file. Neither answer is cached.
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
        const { path } = req
        if (!HASHED.test(path)) return next()
        const redirects = Number(req.query.redirects ?? 0)
        if (redirects < MAX_REDIRECTS) {
          setHeaders(res, '')
          return res.redirect(302, `${req.baseUrl}${path}?redirects=${redirects + 1}`)
        }
        req.url = path.replace(HASHED, '$1')
        files(req, res, next)
      })
    },
  }
}

function setHeaders(res: ServerResponse, path: string): void {
  res.setHeader('Cache-Control', HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
  // Scripts, styles and fonts are public, and the element embedded on other sites needs them.
  res.setHeader('Access-Control-Allow-Origin', '*')
  res.setHeader('Cross-Origin-Resource-Policy', 'cross-origin')
  // Lets the element see whether it reaches the server by HTTP/2: only then does it open an event stream.
  res.setHeader('Timing-Allow-Origin', '*')
}
