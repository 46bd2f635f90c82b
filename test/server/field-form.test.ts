/** The form of a service with a field of every type, without script. */
import { type CheerioAPI, load } from 'cheerio'
import type { Request } from 'express'
import { HtmlValidate } from 'html-validate'
import { describe, expect, inject, it, test } from 'vitest'
import { BUILT_IN, createTexts } from '../../core/i18n/index.ts'
import { formModel } from '../../server/pages/form-model.ts'
import { parseFormBody } from '../../server/routes/parse-form.ts'
import { allFields, fieldOf, READ, serveForm, serviceWith, TYPED } from '../helpers/all-fields.ts'
import { openBrowser, textOf } from './page-browser.ts'

const service = allFields()
const address = await serveForm(service, inject('assets'))
const browser = openBrowser(address)
const FORM = '/services/all-fields'

const validator = new HtmlValidate({
  root: true,
  extends: ['html-validate:recommended', 'html-validate:a11y'],
  rules: {
    'doctype-style': ['error', { style: 'lowercase' }],
    'no-trailing-whitespace': 'off',
    // The boxes of one question have one name.
    'form-dup-name': ['error', { shared: ['radio', 'checkbox', 'submit'] }],
    // A secret belongs to one request: no browser is to keep it.
    'autocomplete-password': 'off',
    // A fieldset has no role for a group of which one is chosen.
    'prefer-native-element': ['error', { exclude: ['radiogroup'] }],
  },
})

const encode = (values: Record<string, string | string[]>): string =>
  new URLSearchParams(
    Object.entries(values).flatMap(([name, value]) => [value].flat().map((each) => [name, each])),
  ).toString()
async function refused(values: Record<string, string | string[]>, lang = 'en'): Promise<CheerioAPI> {
  return load((await browser.post(`${FORM}?lang=${lang}`, encode(values)).expect(422)).text)
}
const open = async (lang = 'en'): Promise<CheerioAPI> => browser.open(`/?lang=${lang}`)

describe.each(Object.keys(BUILT_IN))('in %s', (lang) => {
  it.each([
    ['new', () => browser.get(`/?lang=${lang}`)],
    ['empty', () => browser.post(`${FORM}?lang=${lang}`, '')],
    ['filled', () => browser.post(`${FORM}?lang=${lang}`, encode({ ...TYPED, terms: [] }))],
  ])('the %s form is valid HTML', async (_state, call) => {
    const { text } = await call()
    const html = text.replace(/(name="_(?:key|calendar)" [^>]*?) autocomplete="off"/g, '$1')
    const { results } = await validator.validateString(html)
    expect(
      results.flatMap(({ messages }) =>
        messages.map(({ ruleId, line, message }) => `${ruleId} ${line}: ${message}`),
      ),
    ).toEqual([])
  })

  it('every control has a label, and every description exists', async () => {
    for (const $ of [await open(lang), await refused({}, lang)]) {
      for (const control of $('main form :is(input:not([type=hidden]), textarea, select)').toArray())
        expect(
          $(`label[for="${$(control).attr('id')}"]`)
            .text()
            .trim(),
          $.html(control),
        ).not.toBe('')
      for (const described of $('[aria-describedby]').toArray())
        for (const id of String($(described).attr('aria-describedby')).split(' '))
          expect($(`#${id}`).text().trim(), id).not.toBe('')
      expect($('main').text()).not.toMatch(/null|undefined/)
    }
  })

  it('every error of the summary links to a control of its field', async () => {
    const $ = await refused({}, lang)
    const links = $('.error-summary li a').toArray()
    expect(links.length).toBeGreaterThan(10)
    for (const link of links) {
      const control = $(String($(link).attr('href')))
      expect(control.is('input, textarea, select'), $.html(link)).toBe(true)
      expect(textOf($, `[id="${control.closest('.field').find('.field-error').attr('id')}"]`)).toBe(
        $(link).text(),
      )
      expect(control.closest('.field').find('[aria-invalid=true]').length).toBeGreaterThan(0)
    }
  })
})

test('each type has its control, keyboard and autocomplete', async () => {
  const $ = await open()
  const attributesOf = (name: string) => $(`[name=${name}]`).attr()
  expect(attributesOf('full_name')).toMatchObject({ type: 'text', dir: 'auto', autocomplete: 'name' })
  expect(attributesOf('amount')).toMatchObject({ type: 'text', inputmode: 'decimal', dir: 'ltr' })
  expect(attributesOf('email')).toMatchObject({ type: 'email', inputmode: 'email', autocomplete: 'email' })
  expect(attributesOf('phone')).toMatchObject({ type: 'tel', inputmode: 'tel', autocomplete: 'tel' })
  expect(attributesOf('site')).toMatchObject({ inputmode: 'url', autocomplete: 'url' })
  expect(attributesOf('birth_date')).toMatchObject({ type: 'date', min: '1900-01-01', max: '2026-01-31' })
  expect(attributesOf('password')).toMatchObject({ type: 'password', autocomplete: 'off', value: '' })
  expect(attributesOf('iban')).toMatchObject({ inputmode: 'text', dir: 'ltr' })
  expect($('textarea[name=note]').attr()).toMatchObject({ dir: 'auto' })
  expect($('select[name=city] option').toArray().map((option) => $(option).attr('value'))).toEqual([
    '', 'tehran', 'mashhad', 'isfahan', 'shiraz', 'tabriz', 'rasht',
  ]) // biome-ignore format: a list
  expect($('[role=radiogroup][aria-required=true] input[name=kind][type=radio]')).toHaveLength(2)
  expect($('fieldset input[name=wishes][type=checkbox]')).toHaveLength(3)
  expect($('input[name=terms][type=checkbox]').attr()).toMatchObject({ value: 'true', required: '' })
})

test('the number field of a negative minimum has a keyboard with a minus sign', async () => {
  const signed = serviceWith(fieldOf({ type: 'number', min: -5 }))
  const $ = await openBrowser(await serveForm(signed, inject('assets'))).open('/')
  expect($('[name=value]').attr('inputmode')).toBe('text')
})

test('optional fields are marked, and an optional choice can be cleared', async () => {
  const $ = await open()
  const marked = $('.optional')
    .toArray()
    .map((mark) => $(mark).closest('.field').find('[name]').attr('name'))
  expect(marked).toEqual(['has_vat', 'speed', 'email', 'site', 'note'])
  expect($('input[name=speed][value=""]').is('[checked]')).toBe(true)
  expect(textOf(await open('fa'), '.field:has([name=email]) label')).toBe('ایمیل (اختیاری)')
})

test('a new form has the defaults, and a refused one exactly what was sent', async () => {
  const company = 'input[name=kind][value=company]'
  const person = 'input[name=kind][value=person]'
  const $new = await open()
  expect([$new(person).is('[checked]'), $new(company).is('[checked]')]).toEqual([true, false])
  const $refused = await refused({})
  expect([$refused(person).is('[checked]'), $refused(company).is('[checked]')]).toEqual([false, false])
})

test('a refused form has all typed and chosen values, but no secret', async () => {
  const { text } = await browser.post(FORM, encode({ ...TYPED, terms: [], site: 'ftp://x' })).expect(422)
  const $ = load(text)
  expect(text).not.toContain('s3cret')
  expect(textOf($, '.error-summary p')).toBe('Please type Password again: it is not kept.')
  expect($('[name=password]').val()).toBe('')
  expect($('[name=full_name]').val()).toBe(' Ada Lovelace ')
  expect($('[name=amount]').val()).toBe('۲٬۵۰۰٫۵')
  expect($('[name=city]').val()).toBe('shiraz')
  expect($('[name=note]').val()).toBe('a\nb')
  expect($('[name=birth_date]').val()).toBe('1990-02-28')
  expect(
    $('[name=wishes]:checked')
      .toArray()
      .map((box) => $(box).val()),
  ).toEqual(['copy', 'post'])
  expect($('[name=has_vat]').is('[checked]')).toBe(true)
})

test('the values of a refused form, which are stored, have no secret and no unknown field', () => {
  const body = {
    _key: 'key-of-this-form',
    password: 's3cret',
    colour: 'red',
    wishes: ['copy', 'post'],
    note: 'a',
  }
  const { values, requestData } = parseFormBody({ body } as Request, service)
  expect(values).toEqual({ wishes: ['copy', 'post'], note: 'a' })
  expect(requestData).toMatchObject({ password: 's3cret', colour: 'red' })
})

test('the form of a request that is sent again has its typed data, but no secret', () => {
  const { fields } = formModel(
    service,
    createTexts('en'),
    { key: 'k', values: READ },
    { ttlSeconds: 1800, isSilent: false, pace: { total: null, typical: 60, steps: {}, queueSeconds: null } },
  )
  const shown = Object.fromEntries(fields.map(({ name, value }) => [name, value]))
  expect(shown).toMatchObject({
    amount: '2500.5',
    has_vat: 'true',
    terms: 'true',
    birth_date: '1990-02-28',
    password: '',
  })
})

test('a complete form becomes typed data', async () => {
  const { body } = await browser.post(FORM, encode({ _key: 'key-of-this-form', ...TYPED })).expect(200)
  expect(body).toEqual(READ)
})

test('fields that do not apply are shown with their condition, and left out whatever they contain', async () => {
  const $ = await open()
  expect(textOf($, '#field-company_name-condition')).toBe('Only if “Who is it for?” is “A company”.')
  expect(textOf($, '#field-vat_number-condition')).toBe('Only if “The company pays VAT” is ticked.')
  expect($('#field-company_name').is('[disabled], [hidden]')).toBe(false)
  const { body } = await browser.post(FORM, encode({ ...TYPED, kind: 'person' })).expect(200)
  const { company_name: _name, has_vat: _hasVat, vat_number: _number, ...others } = READ
  expect(body).toEqual({ ...others, kind: 'person' })
})

test('fields that apply are marked for the first paint', async () => {
  const applying = ($: CheerioAPI) =>
    $('[data-applies=true]')
      .toArray()
      .map((field) => $(field).find('[name]').attr('name'))
  expect(applying(await open())).toEqual([])
  expect(applying(await refused({ ...TYPED, terms: [], has_vat: [] }))).toEqual(['company_name', 'has_vat'])
})

test('the message of a pattern is shown in the language of the page', async () => {
  for (const [lang, message] of [
    ['en', 'A name has letters only'],
    ['fa', 'نام فقط از حروف تشکیل می‌شود'],
  ] as const) {
    const $ = await refused({ ...TYPED, full_name: 'R2D2' }, lang)
    expect(textOf($, '.error-summary li')).toBe(message)
    expect(textOf($, '#field-full_name-error')).toBe(message)
  }
})

test('labels, options and values are escaped', async () => {
  const html = '"><b>&'
  const hostile = serviceWith(
    { ...fieldOf({ name: 'a', type: 'choice', options: [{ value: html, label: html }] }), label: html },
    {
      ...fieldOf({ name: 'b', hint: html, example: html, show_when: { field: 'a', equals: html } }),
      label: html,
    },
    { ...fieldOf({ name: 'c', type: 'multiline', default: `</textarea>${html}` }), label: html },
  )
  const { text } = await openBrowser(await serveForm(hostile, inject('assets')))
    .get('/')
    .expect(200)
  expect(text).not.toContain('<b>')
  const $ = load(text)
  expect($('[name=c]').val()).toBe(`</textarea>${html}`)
  expect(JSON.parse(String($('[data-equals]').attr('data-equals')))).toEqual([html])
})
