/** The icon of a service, on the list of services and on its form. */
import { load } from 'cheerio'
import { expect, test } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import { ICONS, parseService } from '../../core/catalog/service-definition.ts'
import { createPages } from '../../server/pages/index.ts'

const parse = (icon?: string) => parseService({ slug: 'fixture', title: 'Fixture', icon })
const READER = { locale: 'en', address: '/' }

function pagesOf(icon?: string) {
  const parsed = parse(icon)
  if (!parsed.ok) throw new Error(parsed.errors.join('\n'))
  const pages = createPages({ catalog: createCatalog([parsed.service]), ttlSeconds: 1800 })
  return [
    load(pages.services(READER))('.card'),
    load(pages.form(READER, parsed.service, { key: 'k', values: null }))('main'),
  ]
}

test.each(ICONS)('the icon %s is a drawing, hidden from screen readers', (icon) => {
  for (const place of pagesOf(icon)) {
    expect(place.find('svg.drawing').attr('aria-hidden')).toBe('true')
    expect(place.find('svg.drawing > :not(.drawing-ground)').length).toBeGreaterThan(0)
    expect(place.text()).not.toContain(icon)
  }
})

test('an emoji is shown unchanged, and a service without an icon has none', () => {
  for (const icon of ['📦', '👩‍🔧', '🇮🇷', '§'])
    for (const place of pagesOf(icon)) expect(place.find('.icon[aria-hidden=true]').text()).toBe(icon)
  for (const place of pagesOf()) expect(place.find('.icon, .drawing')).toHaveLength(0)
})

test.each(['parcel', 'Bank', 'bank ', 'my-icon', 'car2', '<b>'])(
  '%j is no icon, and the error lists those with a name',
  (icon) => {
    const parsed = parse(icon)
    expect(parsed.ok ? [] : parsed.errors).toEqual([expect.stringMatching(/icon.*one of bank, car, /)])
  },
)
