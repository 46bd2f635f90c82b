/** `GET …/result.csv`: the tables of a result, for spreadsheets. */
import { expect, test } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import type { ResultField } from '../../core/catalog/result-definition.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { RESULT_FIELDS, TYPED_RESULT } from '../helpers/typed-result.ts'

const money: ResultField = { name: 'fee', type: 'money', label: 'Fee', currency: 'unit' }
const offers: ResultField = {
  name: 'offers',
  type: 'table',
  label: { en: 'Offers', fa: 'پیشنهادها' },
  group_by: 'bank',
  columns: [{ name: 'bank', type: 'text', label: { en: 'Bank', fa: 'بانک' } }, money],
}
const service = { ...creditScoreRating, result: { fields: [...RESULT_FIELDS, offers] } }
const server = await useServer(await useRedis(), { services: createCatalog([service]) })

async function csvOf(result: unknown, path = ''): Promise<string[]> {
  const complete = { type: 'complete', attempt: 1, result } as const
  const hash = await server.given([START, complete], { service_slug: service.slug })
  const res = await server.api.get(`/api/local-requests/${hash}/result.csv${path}`).buffer(true).expect(200)
  expect(res.headers).toMatchObject({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': expect.stringMatching(
      `^attachment; filename="?${service.slug}-${shortReference(hash)}\\.csv"?$`,
    ),
    'cache-control': 'no-store',
    'content-language': /fa/.test(path) ? 'fa' : 'en',
  })
  const text = String(res.text)
  expect(text.startsWith('\ufeff')).toBe(true)
  expect(text.endsWith('\r\n')).toBe(true)
  return text.slice(1, -2).split('\r\n')
}

test('a table is a file with the labels of the page, their units, and bare numbers and dates', async () => {
  expect(await csvOf(TYPED_RESULT)).toEqual([
    'Date,Description,Amount (IRR),Stamp',
    '2026-04-30,Rent,-900000,Stamp',
    '2026-05-01,حقوق,12500000,',
  ])
  expect((await csvOf(TYPED_RESULT, '?lang=fa'))[0]).toBe('تاریخ,شرح,مبلغ (IRR),مهر')
})

test('several tables are one file that names the table of each row, and groups are a column', async () => {
  const result = {
    lines: [{ date: '2026-04-30', amount: 1 }],
    currency: 'EUR',
    offers: [
      { bank: 'A', fee: 1, unit: 'EUR' },
      { bank: 'B', fee: 2, unit: 'USD' },
    ],
    other_rows: [{ seconds_needed: 1.5 }],
  }
  expect(await csvOf(result)).toEqual([
    'Table,Date,Amount (EUR),Bank,Fee,Seconds needed',
    'Transactions,2026-04-30,1,,,',
    'Offers,,,A,€1.00,',
    'Offers,,,B,$2.00,',
    'Other rows,,,,,1.5',
  ])
})

test('a text that a spreadsheet would run is no formula, and a number stays one', async () => {
  const values = [
    ['=1+1', "'=1+1"],
    ['+A1', "'+A1"],
    ['-A1', "'-A1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', '"\'\tx"'.replace('"\'', "'").replace('x"', 'x')],
    ['＝1', "'＝1"],
    ['-5', '-5'],
    ['+989121234567', '+989121234567'],
    ['a=b', 'a=b'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['="x"', '"\'=""x"""'],
    [' a ', '" a "'],
  ] as const
  const rows = values.map(([text], i) => ({ text, n: -i }))
  expect(await csvOf(rows)).toEqual(['Text,N', ...values.map(([, cell], i) => `${cell},${i === 0 ? 0 : -i}`)])
  const [header] = await csvOf([{ '=cmd()': 1 }])
  expect(header).toBe("'=cmd()")
})

test('a line break within a text stays in its cell', async () => {
  expect(await csvOf([{ a: 'b\r\nc' }])).toEqual(['A', '"b', 'c"'])
})

test('a result without a table has no such file, nor has a request that is not completed', async () => {
  const get = (hash: string) => server.api.get(`/api/local-requests/${hash}/result.csv`)
  for (const result of [{ score: 1 }, null, [1, 2], { lines: [] }]) {
    const hash = await server.given([START, { type: 'complete', attempt: 1, result }])
    expect((await get(hash).expect(404)).body).toMatchObject({ code: 'not_found' })
  }
  expect((await get(await server.given([START])).expect(409)).body.code).toBe('not_completed')
  expect((await get(aHash()).expect(404)).body.code).toBe('request_not_found')
  const refused = await server.api.post(`/api/local-requests/${aHash()}/result.csv`).expect(405)
  expect(refused.headers.allow).toBe('GET, HEAD')
})

test('many tables with columns of their own have headers of their own: the file does not grow with the empty cells', async () => {
  const tables = (group: number): object =>
    Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`t${i}`, [{ [`a${group}_${i}`]: 1, b: 2 }]]))
  const few = await csvOf({ first: tables(0) })
  expect(few).toHaveLength(151)
  const lines = await csvOf(Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`g${i}`, tables(i)])))
  expect(lines).toHaveLength(2 * 6 * 150)
  expect(lines.slice(-2)).toEqual(['Table,A5 149,B', 'T149,1,2'])
})
