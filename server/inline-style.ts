/**
 * The style sheets as a part of the page, for a browser's first visit: it paints after one round trip instead of two, which
 * on a slow mobile network is 0.4 s. Later visits have the linked files in their cache.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Request, Response } from 'express'
import { keepsSessionCookie } from './middleware/caller.ts'

export interface InlineStyle {
  /** For a `<style>` element. */
  readonly css: string
  /** Allows the `<style>` element in the Content-Security-Policy of this response. */
  allow(res: Response): void
}

/**
 * @param folder of the built browser files
 * @param siteStyle the operator's own, see site/site.ts
 */
export function openInlineStyle(folder: string, siteStyle: string): InlineStyle {
  const file = join(folder, 'style.css')
  const built = existsSync(file) ? readFileSync(file, 'utf8') : ''
  // Without the font, which would compete with the script: it is loaded with the file.
  const css =
    built.replace(/\/\*# sourceMappingURL=.*\*\/\s*$/, '').replace(/@font-face\{[^}]*\}/g, '') + siteStyle
  const hash = createHash('sha256').update(css).digest('base64')
  return {
    css,
    allow(res) {
      const policy = String(res.getHeader('Content-Security-Policy'))
      res.setHeader('Content-Security-Policy', policy.replace("style-src 'self'", `$& 'sha256-${hash}'`))
    },
  }
}

/** Whether a browser opens its first page here. Scripts that load a page keep the styles of the page they run in. */
export const isFirstVisit = (req: Request): boolean =>
  req.headers['sec-fetch-dest'] === 'document' && !keepsSessionCookie(req)
