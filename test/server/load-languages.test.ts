/** The languages of the pages: built in, or from files. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { languages, offerLanguages } from '../../core/i18n/index.ts'
import { loadLanguages } from '../../server/load-languages.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { useFolder, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const folder = useFolder()
const write = (name: string, content: unknown) =>
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
const GERMAN = {
  name: 'Deutsch',
  texts: { 'form.submit': 'Senden', 'form.usually': 'Dauert meist {duration}.' },
}

describe('the languages of an installation', () => {
  test('the languages are those that LANGUAGES names, in its order', () => {
    expect([...loadLanguages(['fa', 'en'], undefined).keys()]).toEqual(['fa', 'en'])
    expect([...loadLanguages(['fa'], undefined).keys()]).toEqual(['fa'])
  })

  test('a language from a file has its texts, and those of English where it has none', () => {
    write('de.json', GERMAN)
    const german = loadLanguages(['de'], folder).get('de')
    expect(german).toMatchObject({ name: 'Deutsch', dir: 'ltr' })
    expect(german?.catalogue['form.submit']).toBe('Senden')
    expect(german?.catalogue['services.title']).toBe(languages().get('en')?.catalogue['services.title'])
  })

  test.each([
    ['no folder is set', 'xx', undefined, /LANGUAGES_FOLDER/],
    ['there is no such file', 'xx', folder, /xx\.json cannot be read/],
    ['the file is no JSON', 'x1', folder, /x1\.json cannot be read/],
    ['the file has no name', 'x2', folder, /x2\.json: name/],
    ['a text has an unknown key', 'x3', folder, /x3\.json: unknown texts: form\.nothing/],
    ['a text is not ICU syntax', 'x4', folder, /x4\.json: form\.submit is not ICU message syntax/],
  ])('a start is refused when %s', (_why, locale, from, message) => {
    write('x1.json', '{')
    write('x2.json', { texts: {} })
    write('x3.json', { ...GERMAN, texts: { 'form.nothing': 'x' } })
    write('x4.json', { ...GERMAN, texts: { 'form.submit': '{' } })
    expect(() => loadLanguages([locale], from)).toThrow(message)
  })
})

test('pages are served in a language from a file, with the texts of a service in the language it has', async () => {
  write('de.json', GERMAN)
  const before = languages()
  cleanUp(() => offerLanguages(before))
  offerLanguages(loadLanguages(['de', 'fa'], folder))
  const { api } = await useServer(await useRedis())
  const { text, headers } = await api
    .get('/services/link-check')
    .set('Accept-Language', 'de-AT,en')
    .expect(200)
  expect(text).toContain('>Senden<')
  expect(text).toContain('Link check')
  expect(text).toContain('<html lang="de" dir="ltr"')
  expect(headers['content-language']).toBe('de')
  expect(
    (await api.get('/services/link-check').set('Accept-Language', 'fr')).headers['content-language'],
  ).toBe('de')
  expect((await api.get('/?lang=fa')).text).toContain('dir="rtl"')
  expect((await api.get('/?lang=en')).headers['content-language']).toBe('de')
})
