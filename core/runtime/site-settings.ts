/** The settings of the operator's own look: name, logo, colour, links and time zone of the pages. */
import { z } from 'zod'

/** A link in the footer. Without a language it is on the pages of all. */
export interface SiteLink {
  language: string | null
  label: string
  url: string
}

const LANGUAGE = '[a-z]{2,3}(?:-[a-z0-9]{2,8})*'

const entries = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

/** One name, or one by language: `en=Acme Bank,fa=بانک آکمه`. */
const name = z
  .string()
  .trim()
  .max(200)
  .transform((text, context): string | Record<string, string> => {
    const byLanguage = new RegExp(`^(${LANGUAGE})=(.+)$`)
    if (!byLanguage.test(text)) return text
    const pairs = entries(text).map((entry) => byLanguage.exec(entry))
    if (pairs.every((pair) => pair !== null))
      return Object.fromEntries(pairs.map(([, language, words]) => [language, words]))
    context.addIssue({
      code: 'custom',
      message: 'must be one name, or names by language such as en=Acme,fa=آکمه',
    })
    return z.NEVER
  })

const colour = z
  .string()
  .regex(
    /^#[0-9a-f]{6}(?:,#[0-9a-f]{6})?$/i,
    'must be a colour such as #14615d, or two with a comma between: of light and of dark pages',
  )
  .transform((text) => {
    const [light = '', dark] = text.toLowerCase().split(',')
    return { light, dark }
  })

/** `label=address` with commas between; a comma in an address is written as %2C. */
const links = z.string().transform((text, context): SiteLink[] =>
  entries(text).flatMap((entry) => {
    const [, language = null, label = '', url = ''] =
      new RegExp(`^(?:(${LANGUAGE}):)?([^=]{1,100}?)=(.+)$`).exec(entry) ?? []
    const isAddress = /^\/(?!\/)/.test(url) || (/^https?:\/\//i.test(url) && URL.canParse(url))
    if (isAddress) return [{ language, label: label.trim(), url }]
    context.addIssue({
      code: 'custom',
      message: `must be label=address with commas between, and "${entry}" is not`,
    })
    return z.NEVER
  }),
)

const timeZone = z.string().refine((text) => {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: text }))
  } catch {
    return false
  }
}, 'must be a time zone such as Asia/Tehran')

export const siteSettings = {
  SITE_NAME: name.optional(),
  SITE_LOGO: z
    .string()
    .regex(/\.(?:svg|png)$/i, 'must be an .svg or a .png file')
    .optional(),
  SITE_COLOR: colour.optional(),
  SITE_LINKS: links.default([]),
  SITE_TIME_ZONE: timeZone.default('UTC'),
  SITE_CREDIT: z.enum(['on', 'off']).default('on'),
}

type SiteEnv = z.output<z.ZodObject<typeof siteSettings>>

export const toSiteConfig = (s: SiteEnv) => ({
  /** Shown in the header and in titles; undefined for that of the catalogue. */
  name: s.SITE_NAME,
  /** The path of its file. */
  logo: s.SITE_LOGO,
  colour: s.SITE_COLOR,
  links: s.SITE_LINKS,
  /** Of times that no script converts to the zone of the viewer. */
  timeZone: s.SITE_TIME_ZONE,
  /** Whether the footer says what the pages run on. */
  hasCredit: s.SITE_CREDIT === 'on',
})
export type SiteConfig = Readonly<ReturnType<typeof toSiteConfig>>
