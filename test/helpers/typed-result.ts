/** A definition with a field of each kind, a result that fits it, and values that fit no kind. */
import type { ResultField } from '../../core/catalog/result-definition.ts'

/** A PNG of 120 × 80 pixels. */
export const PNG =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAHgAAABQCAMAAADlRUG7AAAABlBMVEUUYV3j8O5YvzD7AAAASUlEQVR42u3YsQ0AQAgCQNx/6V/AUpv3qEkuoSTVJE2mewGDwWAwGAw+BFsBDAaDwWAweB82KxgMBoPBYLCfCwwGg8FgMPgD+AG4jhLBgMfkaAAAAABJRU5ErkJggg=='

const both = (en: string, fa: string) => ({ en, fa })

export const RESULT_FIELDS: ResultField[] = [
  { name: 'full_name', type: 'text', label: both('Name', 'نام') },
  { name: 'score', type: 'number', label: both('Score', 'امتیاز'), scale: 850 },
  {
    name: 'distance',
    type: 'number',
    label: both('Distance', 'مسافت'),
    unit: both('km', 'کیلومتر'),
    decimals: 1,
  },
  { name: 'share', type: 'percent', label: both('Share used', 'سهم استفاده‌شده') },
  { name: 'balance', type: 'money', label: both('Balance', 'مانده'), currency: 'currency' },
  { name: 'fee', type: 'money', label: both('Fee', 'کارمزد'), currency: 'EUR' },
  { name: 'report_date', type: 'date', label: both('Date of the report', 'تاریخ گزارش') },
  { name: 'checked_at', type: 'date', label: both('Checked', 'زمان بررسی') },
  { name: 'took', type: 'duration', label: both('Time needed', 'زمان انجام') },
  { name: 'source', type: 'url', label: both('Source', 'منبع') },
  {
    name: 'rating',
    type: 'choice',
    label: both('Rating', 'رتبه'),
    options: [
      { value: 'good', label: both('Good', 'خوب') },
      { value: 'bad', label: both('Bad', 'بد') },
    ],
  },
  { name: 'remarks', type: 'list', label: both('Remarks', 'توضیحات') },
  {
    name: 'lines',
    type: 'table',
    label: both('Transactions', 'گردش حساب'),
    columns: [
      { name: 'date', type: 'date', label: both('Date', 'تاریخ') },
      { name: 'description', type: 'text', label: both('Description', 'شرح') },
      { name: 'amount', type: 'money', label: both('Amount', 'مبلغ'), currency: 'currency' },
      { name: 'stamp', type: 'image', label: both('Stamp', 'مهر'), hide_when_empty: true },
    ],
  },
  { name: 'photo', type: 'image', label: both('Photo', 'عکس') },
  { name: 'report', type: 'file', label: both('Report', 'گزارش') },
  { name: 'notes', type: 'text', label: both('Notes', 'یادداشت‌ها'), hide_when_empty: true },
]

export const TYPED_RESULT = {
  full_name: 'Ali <b>',
  score: 712,
  distance: 1234.56,
  share: 14.3,
  balance: -1250000,
  currency: 'IRR',
  fee: 12.5,
  report_date: '2026-05-01',
  checked_at: '2026-05-01T21:30:00Z',
  took: 125,
  source: 'https://example.com/a?b=1&c=2',
  rating: 'good',
  remarks: ['First', 'دوم'],
  lines: [
    { date: '2026-04-30', description: 'Rent', amount: -900000, stamp: PNG },
    { date: '2026-05-01', description: 'حقوق', amount: 12500000 },
  ],
  photo: PNG,
  report: { name: 'report.pdf', size: 123456, url: 'https://example.com/report.pdf' },
  notes: null,
}

const base64 = (bytes: number[], length = bytes.length): string =>
  Buffer.from([...bytes, ...Array(length - bytes.length).fill(0)]).toString('base64')
const JPEG_START = [0xff, 0xd8, 0xff]
export const LARGE_JPEG = `data:image/jpeg;base64,${base64(JPEG_START, 100 * 1024 + 1)}`
export const LARGEST_JPEG = `data:image/jpeg;base64,${base64(JPEG_START, 100 * 1024)}`

const IMAGE = 'must be a data: address of a PNG, JPEG, GIF or WebP image in base64, of at most 100 kB'
const DATE = 'must be an ISO 8601 date, such as 2026-01-31 or 2026-01-31T09:15:00Z'
const ADDRESS = 'must be an address that starts with http:// or https://'
const FILE = 'must be an object with name, size in bytes, and an optional id or url'

/** Kind, a value that does not fit it, what it would have to be, and the settings of the field. */
export const MISFITS: [ResultField['type'], unknown, string, Partial<ResultField>?][] = [
  ['text', { a: 1 }, 'must be text'],
  ['text', ['a'], 'must be text'],
  ['number', '712', 'must be a number'],
  ['number', true, 'must be a number'],
  ['percent', '14%', 'must be a number'],
  ['money', '€5', 'must be a number', { currency: 'EUR' }],
  ['date', '1405-02-11', DATE],
  ['date', 1714000000, DATE],
  ['duration', '2 minutes', 'must be a number of seconds, 0 or more'],
  ['duration', -1, 'must be a number of seconds, 0 or more'],
  ['url', 'javascript:alert(1)', ADDRESS],
  ['url', 'http://', ADDRESS],
  ['url', 'example.com', ADDRESS],
  ['choice', 'other', 'must be one of the values of its options', { options: [{ value: 'a', label: 'A' }] }],
  ['list', 'a, b', 'must be a list'],
  [
    'table',
    [{ a: 1 }, 2],
    'must be a list of objects',
    { columns: [{ name: 'a', type: 'text', label: 'A' }] },
  ],
  ['image', 'https://example.com/a.png', IMAGE],
  ['image', `data:image/svg+xml;base64,${base64([60, 115, 118, 103])}`, IMAGE],
  ['image', `data:image/png;base64,${base64([60, 115, 118, 103])}`, IMAGE],
  ['image', LARGE_JPEG, IMAGE],
  ['file', 'report.pdf', FILE],
  ['file', { name: 'report.pdf', size: 'large' }, FILE],
  ['file', { name: 'report.pdf', size: 1, url: 'javascript:alert(1)' }, FILE],
]
