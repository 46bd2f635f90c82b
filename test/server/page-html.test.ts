/** Every page in every state is valid HTML: screen readers are less tolerant than browsers. */
import { HtmlValidate } from 'html-validate'
import { describe, expect, test } from 'vitest'
import { BUILT_IN } from '../../core/i18n/index.ts'
import { pagesFor } from './page-fixtures.ts'

const validator = new HtmlValidate({
  root: true,
  extends: ['html-validate:recommended', 'html-validate:a11y'],
  rules: {
    'doctype-style': ['error', { style: 'lowercase' }],
    // The lines of the templates leave white space, which is not visible.
    'no-trailing-whitespace': 'off',
    // Tables that are shown as cards lose their implicit roles in some browsers.
    'no-redundant-role': 'off',
    // <progress> cannot be styled alike in all browsers, and some ignore its `aria-valuetext`.
    'prefer-native-element': ['error', { exclude: ['progressbar'] }],
  },
})

// Firefox keeps the value of a hidden field over a reload unless `autocomplete=off` is set, which the standard does not allow there.
const withoutKeyHint = (html: string): string =>
  html.replace(/(<input type="hidden" name="_key" [^>]*?) autocomplete="off"/, '$1')

const address = '/here?a=1&b'
describe.each([
  ...Object.keys(BUILT_IN).map((locale) => ({ locale, address })),
  { locale: 'en', address, css: 'main { color: #000 }' },
])('in $locale, with the styles $css', (context) => {
  test.each(pagesFor(context))('the page "%s" is valid HTML', async (_name, html) => {
    const { results } = await validator.validateString(withoutKeyHint(html))
    const messages = results.flatMap((result) =>
      result.messages.map(({ ruleId, line, message }) => `${ruleId}, line ${line}: ${message}`),
    )
    expect(messages).toEqual([])
  })
})
