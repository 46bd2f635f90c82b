/** What the site is called and how it looks outside of its pages: in the browser's frame, and installed on a home screen. */
import { textIn } from '../../core/catalog/text.ts'
import type { Texts } from '../../core/i18n/index.ts'
import type { SiteLook } from '../site/site.ts'

/** As `--ground` in public/styles/tokens.css. */
export const THEME_COLORS = { light: '#f6f7f5', dark: '#12171a' } as const

/** The web app manifest. */
export const siteManifest = (
  { t, locale, dir }: Texts,
  { name }: Pick<SiteLook, 'name'>,
  asset: (name: string) => string,
): Readonly<Record<string, unknown>> => ({
  id: '/',
  name: textIn(name ?? t('site.name'), locale),
  short_name: textIn(name ?? t('site.name'), locale),
  lang: locale,
  dir,
  start_url: '/',
  scope: '/',
  display: 'standalone',
  theme_color: THEME_COLORS.light,
  background_color: THEME_COLORS.light,
  icons: [
    { src: asset('icon.svg'), sizes: 'any', type: 'image/svg+xml' },
    { src: asset('icon-192.png'), sizes: '192x192', type: 'image/png' },
    { src: asset('icon-512.png'), sizes: '512x512', type: 'image/png' },
    { src: asset('icon-maskable-512.png'), sizes: '512x512', type: 'image/png', purpose: 'maskable' },
  ],
})
