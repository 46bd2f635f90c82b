import { load } from 'cheerio'
import { expect, test } from 'vitest'
import { AppError } from '../../core/domain/errors.ts'
import { askForCode, CREDIT, complete, fail, pages, start, viewAfter } from './page-fixtures.ts'

const READER = { locale: 'en', address: '/' }
const drawn = (html: string) => load(html)('.page-head > .drawing')

test.each([
  ['pending', viewAfter()],
  ['processing', viewAfter(start)],
  ['otp_required', viewAfter(start, askForCode)],
  ['completed', viewAfter(start, complete({ score: 712 }))],
  ['failed', viewAfter(start, fail('bot_unavailable', 'x'))],
  ['cancelled', viewAfter(start, { type: 'cancel', by: 'user' })],
] as const)(
  'the page of a %s request has the drawing of its state, hidden from screen readers',
  (name, view) => {
    const drawing = drawn(pages.request(READER, view))
    expect(drawing).toHaveLength(1)
    expect(drawing.attr()).toMatchObject({ 'data-drawing': name, 'aria-hidden': 'true' })
    expect(drawing.find(`.drawing-${name} > *`).length).toBeGreaterThan(0)
  },
)

test('the page of a running request has the drawings of all states that it can get without a new page', () => {
  const drawing = drawn(pages.request(READER, viewAfter(start)))
  const names = drawing
    .find('g')
    .toArray()
    .map(({ attribs }) => attribs.class)
  expect(names.sort()).toEqual(
    ['answer_required', 'otp_required', 'pending', 'processing', 'retrying', 'scheduled', 'silent'].map(
      (name) => `drawing-${name}`,
    ),
  )
})

test.each([
  ['request_expired', 'delete'],
  ['request_not_found', 'missing'],
  ['storage_unavailable', 'away'],
  ['not_owner', 'failed'],
] as const)('the page of %s has the drawing %s', (code, name) => {
  const drawing = drawn(pages.problem(READER, new AppError(code), CREDIT.slug))
  expect(drawing.attr('data-drawing')).toBe(name)
  expect(drawing.find(`.drawing-${name} > *`).length).toBeGreaterThan(0)
})
