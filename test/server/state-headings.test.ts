import { load } from 'cheerio'
import { expect, test } from 'vitest'
import { createPages } from '../../server/pages/index.ts'
import { catalog } from '../helpers/services.ts'
import { askForCode, QUESTIONS, retry, start, submit, T0, TTL, viewAfter } from './page-fixtures.ts'

const headingOf = (view: ReturnType<typeof viewAfter>, seconds = 5): string => {
  const pages = createPages({ catalog, ttlSeconds: TTL, now: () => T0 + seconds * 1000 })
  return load(pages.request({ locale: 'en', address: '/' }, view))('h1').text()
}

test.each([
  ['works', 'Working on it', viewAfter(start)],
  ['waits for its next attempt', 'Trying again soon', viewAfter(start, retry)],
  ['asks for a code', 'A code is needed', viewAfter(start, askForCode)],
  ['has a code', 'Checking your code', viewAfter(start, askForCode, submit)],
  ['asks another question', 'Your answer is needed', viewAfter(start, QUESTIONS.text!)],
  [
    'has an answer',
    'Checking your answer',
    viewAfter(start, QUESTIONS.text!, { type: 'submit_otp', otp: 'here' }),
  ],
] as const)('the heading of a request that %s is "%s"', (_state, heading, view) => {
  expect(headingOf(view)).toBe(heading)
})

test('the heading says that the time of a code is over', () => {
  const asked = viewAfter(start, askForCode)
  expect(headingOf(asked, 600)).toBe('The code has expired')
})

test('the drawing of a request that waits for its next attempt is its own', () => {
  const pages = createPages({ catalog, ttlSeconds: TTL, now: () => T0 })
  const html = pages.request({ locale: 'en', address: '/' }, viewAfter(start, retry))
  expect(load(html)('.page-head > .drawing').attr('data-drawing')).toBe('retrying')
})
