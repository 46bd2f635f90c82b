/** What browsers forgive and screen readers do not: every page in every state is HTML as the standard has it. */
import { HtmlValidate } from 'html-validate'
import { describe, expect, test } from 'vitest'
import { LOCALES } from '../../core/i18n/index.ts'
import { pagesFor } from './page-fixtures.ts'

const validator = new HtmlValidate({
  root: true,
  extends: ['html-validate:recommended', 'html-validate:a11y'],
  rules: {
    'doctype-style': ['error', { style: 'lowercase' }],
    // White space is what the templates' own lines leave behind; nobody sees it.
    'no-trailing-whitespace': 'off',
    // A <progress> cannot be dressed alike in all browsers, and is read without its `aria-valuetext` in some.
    'prefer-native-element': ['error', { exclude: ['progressbar'] }],
  },
})

// Firefox keeps what stood in a hidden field over a reload unless it is told not to; the standard has no word for that.
const withoutKeyHint = (html: string): string =>
  html.replace(/(<input type="hidden" name="_key" [^>]*?) autocomplete="off"/, '$1')

describe.each(LOCALES)('in %s', (locale) => {
  test.each(pagesFor({ locale, address: '/here?a=1&b' }))('the page "%s" is clean', async (_name, html) => {
    const { results } = await validator.validateString(withoutKeyHint(html))
    const messages = results.flatMap((result) =>
      result.messages.map(({ ruleId, line, message }) => `${ruleId}, line ${line}: ${message}`),
    )
    expect(messages).toEqual([])
  })
})
