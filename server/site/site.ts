/** The operator's own look: what pages show of it, and the files of it that the server serves under `/assets/`. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { RequestHandler } from 'express'
import type { SiteConfig, SiteLink } from '../../core/runtime/site-settings.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { accentStyle } from './colours.ts'

export interface SiteLook extends Pick<SiteConfig, 'name' | 'links' | 'timeZone' | 'hasCredit'> {
  /** The address of the logo. */
  readonly logo: string | null
  /** The address of the style sheet that sets the accent. */
  readonly style: string | null
}

interface SiteFile {
  type: string
  body: Buffer | string
  headers: Record<string, string>
}

const MAX_LOGO_BYTES = 200_000
const FOR_EVER = { 'Cache-Control': 'public, max-age=31536000, immutable' }
/** The icons' own accent, see public/icons.mjs. */
const ICON_ACCENT = '#2a8f87'
const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** A site without settings, as in tests of pages. */
export const PLAIN_SITE: SiteLook = {
  name: undefined,
  links: [],
  timeZone: 'UTC',
  hasCredit: true,
  logo: null,
  style: null,
}

/**
 * @param folder of the built browser files
 * @returns `css` is the text of the style sheet, empty without one
 * @throws StartupError when the logo cannot be used or the colour cannot be read
 */
export function openSite(
  config: SiteConfig,
  folder: string,
): { site: SiteLook; css: string; serve: RequestHandler } {
  const files = new Map<string, SiteFile>()
  const add = (name: string, file: SiteFile): string => {
    const hash = createHash('sha256').update(file.body).digest('hex').slice(0, 10)
    const path = `/${name.replace(/\.\w+$/, (extension) => `.${hash}${extension}`)}`
    files.set(path, { ...file, headers: { ...FOR_EVER, ...file.headers } })
    return `/assets${path}`
  }
  const { colour, logo } = config
  const style = colour ? accentStyle(colour) : null
  if (colour) addIcons(files, folder, colour.light)
  const { name, links, timeZone, hasCredit } = config
  return {
    site: {
      name,
      links,
      timeZone,
      hasCredit,
      logo: logo === undefined ? null : add(`site-logo${extname(logo).toLowerCase()}`, readLogo(logo)),
      // The element on other sites loads it as well.
      style: style && add('site.css', { type: 'text/css', body: style, headers: SHARED }),
    },
    css: style ?? '',
    serve(req, res, next) {
      const file = files.get(req.path)
      if (!file || (req.method !== 'GET' && req.method !== 'HEAD')) return next()
      res.set(file.headers).type(file.type).send(file.body)
    },
  }
}

const SHARED = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' }

function readLogo(path: string): SiteFile {
  const body = readFile(path)
  if (body.length > MAX_LOGO_BYTES)
    throw new StartupError(`SITE_LOGO: ${path} has ${body.length} bytes, and at most ${MAX_LOGO_BYTES} fit`)
  if (path.toLowerCase().endsWith('.png')) {
    if (!body.subarray(0, 8).equals(PNG_SIGNATURE))
      throw new StartupError(`SITE_LOGO: ${path} is not a PNG image`)
    return { type: 'image/png', body, headers: {} }
  }
  if (!/<svg[\s>]/.test(body.toString('utf8')))
    throw new StartupError(`SITE_LOGO: ${path} is not an SVG image`)
  // Opened by its address it is a document, which could run scripts.
  const headers = { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox" }
  return { type: 'image/svg+xml', body, headers }
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new StartupError(`SITE_LOGO: ${path} cannot be read: ${(error as Error).message}`)
  }
}

/** The icons of the tab in the operator's colour, under the names of the built ones. */
function addIcons(files: Map<string, SiteFile>, folder: string, colour: string): void {
  for (const name of readdirSync(folder)) {
    if (!/^icon.*\.svg$/.test(name)) continue
    const body = readFileSync(join(folder, name), 'utf8').replaceAll(ICON_ACCENT, colour)
    files.set(`/${name}`, { type: 'image/svg+xml', body, headers: { 'Cache-Control': 'no-cache' } })
  }
}

/** The links of a page in this language. */
export const linksIn = ({ links }: Pick<SiteLook, 'links'>, locale: string): readonly SiteLink[] =>
  links.filter(({ language }) => language === null || language === locale)
