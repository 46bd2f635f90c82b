/** A service with a field of every type, and a server with only its form. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Request } from 'express'
import sirv from 'sirv'
import { createCatalog } from '../../core/catalog/catalog.ts'
import { validateRequestData } from '../../core/catalog/request-data.ts'
import { parseService, type Service, type ServiceDefinition } from '../../core/catalog/service-definition.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { createPages } from '../../server/pages/index.ts'
import { parseFormBody, readForm } from '../../server/routes/parse-form.ts'
import { cleanUp } from './clean-up.ts'

export type FieldDefinition = NonNullable<ServiceDefinition['fields']>[number]

export function serviceWith(...fields: FieldDefinition[]): Service {
  const parsed = parseService({ slug: 'fixture', title: 'Fixture', fields })
  if (!parsed.ok) throw new Error(parsed.errors.join('\n'))
  return parsed.service
}

/** A field with the required properties of a definition, and these. */
export const fieldOf = (field: Partial<FieldDefinition>): FieldDefinition => ({
  name: 'value',
  type: 'text',
  label: 'Value',
  ...field,
})

const CITIES: [string, string, string][] = [
  ['tehran', 'Tehran', 'تهران'], ['mashhad', 'Mashhad', 'مشهد'], ['isfahan', 'Isfahan', 'اصفهان'],
  ['shiraz', 'Shiraz', 'شیراز'], ['tabriz', 'Tabriz', 'تبریز'], ['rasht', 'Rasht', 'رشت'],
] // biome-ignore format: a table

export const ALL_FIELDS: ServiceDefinition = {
  slug: 'all-fields',
  title: { en: 'All kinds of fields', fa: 'همهٔ انواع فیلد' },
  description: { en: 'One field of every type.', fa: 'از هر نوع یک فیلد.' },
  fields: [
    {
      name: 'full_name',
      type: 'text',
      label: { en: 'Full name', fa: 'نام و نام خانوادگی' },
      hint: { en: 'As in your passport', fa: 'همان‌طور که در گذرنامه آمده است' },
      autocomplete: 'name',
      min_length: 3,
      max_length: 40,
      pattern: {
        regex: '[\\p{L} ]+',
        message: { en: 'A name has letters only', fa: 'نام فقط از حروف تشکیل می‌شود' },
      },
    },
    {
      name: 'kind',
      type: 'choice',
      label: { en: 'Who is it for?', fa: 'برای چه کسی است؟' },
      options: [
        { value: 'person', label: { en: 'A person', fa: 'شخص حقیقی' } },
        { value: 'company', label: { en: 'A company', fa: 'شخص حقوقی' } },
      ],
      default: 'person',
    },
    {
      name: 'company_name',
      type: 'text',
      label: { en: 'Name of the company', fa: 'نام شرکت' },
      show_when: { field: 'kind', equals: 'company' },
    },
    {
      name: 'has_vat',
      type: 'checkbox',
      label: { en: 'The company pays VAT', fa: 'شرکت مالیات بر ارزش افزوده می‌پردازد' },
      required: false,
      show_when: { field: 'kind', equals: 'company' },
    },
    {
      name: 'vat_number',
      type: 'text',
      label: { en: 'VAT number', fa: 'شناسهٔ مالیاتی' },
      show_when: { field: 'has_vat', equals: true },
    },
    {
      name: 'city',
      type: 'choice',
      label: { en: 'City', fa: 'شهر' },
      options: CITIES.map(([value, en, fa]) => ({ value, label: { en, fa } })),
    },
    {
      name: 'wishes',
      type: 'choices',
      label: { en: 'What do you need?', fa: 'به چه چیزهایی نیاز دارید؟' },
      hint: { en: 'Choose all that apply', fa: 'همهٔ موارد لازم را انتخاب کنید' },
      options: [
        { value: 'copy', label: { en: 'A copy', fa: 'رونوشت' } },
        { value: 'stamp', label: { en: 'A stamp', fa: 'مهر' } },
        { value: 'post', label: { en: 'Delivery by post', fa: 'ارسال با پست' } },
      ],
    },
    {
      name: 'speed',
      type: 'choice',
      label: { en: 'How fast?', fa: 'با چه سرعتی؟' },
      required: false,
      options: [
        { value: 'slow', label: { en: 'Within a week', fa: 'تا یک هفته' } },
        { value: 'fast', label: { en: 'Within a day', fa: 'تا یک روز' } },
      ],
    },
    {
      name: 'amount',
      type: 'number',
      label: { en: 'Amount', fa: 'مبلغ' },
      min: 1.5,
      max: 1000000,
      example: '2500',
    },
    {
      name: 'birth_date',
      type: 'date',
      label: { en: 'Date of birth', fa: 'تاریخ تولد' },
      example: '1990-05-21',
      min: '1900-01-01',
      max: '2026-01-31',
    },
    {
      name: 'email',
      type: 'email',
      label: { en: 'Email', fa: 'ایمیل' },
      required: false,
      example: 'name@example.com',
    },
    { name: 'phone', type: 'tel', label: { en: 'Telephone', fa: 'تلفن' }, example: '+98 21 1234 5678' },
    { name: 'site', type: 'url', label: { en: 'Web site', fa: 'وب‌گاه' }, required: false },
    {
      name: 'mobile',
      type: 'mobile',
      label: { en: 'Mobile number', fa: 'شمارهٔ تلفن همراه' },
      example: '09123456789',
    },
    { name: 'national_code', type: 'national_code', label: { en: 'National code', fa: 'کد ملی' } },
    { name: 'account_number', type: 'account_number', label: { en: 'Account number', fa: 'شمارهٔ حساب' } },
    {
      name: 'iban',
      type: 'iban',
      label: { en: 'IBAN', fa: 'شمارهٔ شبا' },
      example: 'IR05 0170 0000 0012 3456 7890 12',
    },
    { name: 'password', type: 'secret', label: { en: 'Password', fa: 'گذرواژه' } },
    {
      name: 'note',
      type: 'multiline',
      label: { en: 'Note', fa: 'توضیحات' },
      required: false,
      max_length: 500,
    },
    { name: 'terms', type: 'checkbox', label: { en: 'I accept the terms', fa: 'شرایط را می‌پذیرم' } },
  ],
}

/** What a browser sends of the filled form, and what becomes of it. */
export const TYPED: Record<string, string | string[]> = {
  full_name: ' Ada Lovelace ', kind: 'company', company_name: 'Engines', has_vat: 'true', vat_number: 'GB1',
  city: 'shiraz', wishes: ['post', 'copy'], speed: '', amount: '۲٬۵۰۰٫۵', birth_date: '1990-02-28', email: '',
  phone: '0044 20 7946 0018', site: 'example.com', mobile: '۰۹۱۲۳۴۵۶۷۸۹', national_code: '0012345679',
  account_number: '1234567890', iban: 'gb82 west 1234 5698 7654 32', password: ' s3cret ', note: 'a\r\nb', terms: 'true',
} // biome-ignore format: a table
export const READ = {
  full_name: 'Ada Lovelace', kind: 'company', company_name: 'Engines', has_vat: true, vat_number: 'GB1',
  city: 'shiraz', wishes: ['copy', 'post'], amount: 2500.5, birth_date: '1990-02-28', phone: '+442079460018',
  site: 'https://example.com', mobile: '09123456789', national_code: '0012345679', account_number: '1234567890',
  iban: 'GB82WEST12345698765432', password: ' s3cret ', note: 'a\nb', terms: true,
} // biome-ignore format: a table

export function allFields(): Service {
  const parsed = parseService(ALL_FIELDS)
  if (!parsed.ok) throw new Error(parsed.errors.join('\n'))
  return parsed.service
}

/**
 * Shows the form of a service at `/?lang=`, again with its errors when it is refused, and answers a valid one with the data.
 *
 * @param assets the folder of the pages' assets
 * @returns its address
 */
export async function serveForm(service: Service, assets: string): Promise<string> {
  const pages = createPages({ catalog: createCatalog([service]), ttlSeconds: 1800 })
  const app = express()
  /** A submitted form is answered in the language of its page. */
  const contextOf = (req: Request) => {
    const from = new URL(req.get('referer') ?? 'http://unknown/').searchParams.get('lang')
    return { locale: (req.query.lang ?? from ?? 'en') as Locale, address: '/' }
  }
  app.use('/assets', sirv(assets))
  app.get('/', (req, res) => {
    res.send(pages.form(contextOf(req), service, { key: 'key-of-this-form', values: null }))
  })
  app.post('/services/:slug', readForm, (req, res) => {
    const { requestData, values } = parseFormBody(req, service)
    const validated = validateRequestData(service, requestData)
    if (validated.ok) return void res.json(validated.data)
    const refusal = new AppError('validation_failed', { errors: validated.errors })
    res.status(422).send(pages.form(contextOf(req), service, { key: 'key-of-this-form', values, refusal }))
  })
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  cleanUp(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
