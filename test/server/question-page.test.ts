/** The page's form for each kind of question, in a browser without script. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import type { Command } from '../../core/domain/command.ts'
import type { OtpRequest } from '../../core/domain/otp-prompt.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { keys } from '../helpers/keys.ts'
import { PNG } from '../helpers/pictures.ts'
import { START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, given, apply } = await useServer(testRedis)
const browser = openBrowser(address)
const channels = createChannelSubscriber({
  redis,
  subscriber: await testRedis.connections.connect('subscriber'),
  log: quiet,
})
const otpMailbox = createOtpMailbox({
  redis,
  channels,
  store: createRequestStore({ redis, ttlSeconds: TTL_SECONDS }),
})

const REJECT: Command = { type: 'reject_otp', attempt: 1 }
const options = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    value: `v${n}`,
    label: { en: `Account ${n}`, fa: `حساب ${n}` },
  }))

async function asked(otp: Omit<OtpRequest, 'id'>): Promise<string> {
  const hash = await given([START])
  await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'q-1', ...otp } })
  return hash
}
const open = (hash: string) => browser.open(at('otp', hash))
const send = (hash: string, otp: string) => browser.post(at('otp', hash), { otp })
const formOf = ($: CheerioAPI, hash: string) => $(`form[action="${at('otp', hash)}"]`)

async function expectAccepted(hash: string, otp: string): Promise<void> {
  await send(hash, otp).expect(303).expect('Location', at('progress', hash))
  expect(await otpMailbox.take(hash)).toBe(otp)
}

describe('the form of a question', () => {
  test('a text has a labelled field of any script, and the question is its heading', async () => {
    const hash = await asked({ kind: 'text', message: 'Which street?', max_length: 60 })
    const $ = await open(hash)
    expect(textOf($, '#code-title')).toBe('Which street?')
    expect(textOf($, 'h1')).toBe('Your answer is needed')
    expect($('title').text()).toMatch(/^Answer needed/)
    expect(textOf($, 'label[for=otp]')).toBe('Your answer')
    expect(textOf($, '#otp-hint')).toMatch(/^At most 60 characters Answer within about 2 minutes, by/)
    expect($('#otp').attr()).toMatchObject({ type: 'text', dir: 'auto', name: 'otp', autofocus: '' })
    expect($('#otp').attr('inputmode')).toBeUndefined()
    await expectAccepted(hash, 'Main Street 5')
  })

  test('a choice of up to five has radio buttons in the language of the reader', async () => {
    const hash = await asked({ kind: 'choice', options: options(5) })
    const persian = openBrowser(address, { 'Accept-Language': 'fa' })
    const $ = await persian.open(at('otp', hash))
    expect($('[role=radiogroup] input[type=radio][name=otp]')).toHaveLength(5)
    expect(textOf($, 'label[for=otp]')).toBe('حساب 0')
    expect($('#otp').attr('value')).toBe('v0')
    expect(textOf($, '#code-title')).toBe('لطفاً یکی را انتخاب کنید')
    await expectAccepted(hash, 'v4')
  })

  test('a choice of more has a list', async () => {
    const hash = await asked({ kind: 'choice', options: options(6) })
    const $ = await open(hash)
    expect($('select#otp option').map((_, option) => $(option).attr('value')).get()).toEqual([
      '', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5',
    ]) // biome-ignore format: a list
    await expectAccepted(hash, 'v5')
  })

  test('a confirm has two buttons, each of which answers', async () => {
    const hash = await asked({ kind: 'confirm', message: 'Go on?', confirm_label: { en: 'Go <on>' } })
    const $ = await open(hash)
    const buttons = formOf($, hash).find('button[name=otp]')
    expect(buttons.map((_, button) => [$(button).attr('value'), $(button).text()]).get()).toEqual([
      'yes', 'Go <on>', 'no', 'No',
    ]) // biome-ignore format: pairs
    expect(formOf($, hash).find('button')).toHaveLength(2)
    await expectAccepted(hash, 'no')
  })

  test('an image has its picture with a text for those who do not see it, and a button for another one', async () => {
    const hash = await asked({ kind: 'image', image: PNG })
    const $ = await open(hash)
    const image = $('img.code-image')
    expect(image.attr('alt')).toBe('The picture with the text to type')
    expect(image.next().attr('id')).toBe('otp')
    await browser
      .get(image.attr('src') as string)
      .expect(200)
      .expect('Content-Type', 'image/png')
    expect($('#otp').attr()).toMatchObject({
      type: 'text',
      dir: 'ltr',
      autocomplete: 'off',
      autocapitalize: 'none',
    })
    expect(textOf($, 'form.resend button')).toBe('Show another picture')
    expect(textOf($, 'form.resend p')).toMatch(
      /^Hard to read\? You can ask for 5 more pictures, the next in [45] s\. The next one at .* UTC\.$/,
    )
    await expectAccepted(hash, 'x7Kp')
  })

  test('without resend the button for another picture or text is hidden', async () => {
    for (const kind of ['choice', 'confirm'] as const) {
      const $ = await open(await asked({ kind, options: options(2) }))
      expect($('form.resend').attr('hidden')).toBeDefined()
    }
  })
})

describe('a refused answer', () => {
  test.each([
    ['text', {}, '', 'Type your answer'],
    ['text', { max_length: 4 }, 'hidden answer', 'The answer has at most 4 characters'],
    ['text', {}, 'hidden\u0007answer', 'The answer is one line of text'],
    ['choice', { options: options(3) }, '', 'Choose an answer'],
    ['choice', { options: options(9) }, 'hidden answer', 'Choose an answer'],
    ['confirm', {}, 'hidden answer', 'Choose one of the two buttons'],
    ['image', { image: PNG }, '', 'Type what you see in the picture'],
  ] as const)(
    'of a %s with %j, the answer %j is refused with its reason and stored nowhere',
    async (kind, more, typed, words) => {
      const hash = await asked({ kind, ...more })
      const before = await redis.get(keys.record(hash))
      const { text } = await browser.refused(at('otp', hash), { otp: typed }).expect(422)
      const $ = load(text)
      expect(textOf($, '#otp-error')).toBe(words)
      expect($('title').text()).toMatch(/^Error: Answer needed/)
      expect(await redisContents(redis)).not.toContain('hidden')
      expect(text).not.toContain('hidden answer')
      expect(await redis.get(keys.record(hash))).toBe(before)
    },
  )

  test('an answer that the bot rejected is asked again with the tries that are left', async () => {
    const hash = await asked({ kind: 'text', message: 'Which street?' })
    await send(hash, 'No street').expect(303)
    await apply(hash, REJECT)
    const $ = await open(hash)
    expect(textOf($, '#otp-error')).toBe('That answer was not accepted. 2 tries are left.')
    expect($('#otp').attr('aria-invalid')).toBe('true')
  })

  test('of two tabs the second one is led to the progress page and changes nothing', async () => {
    const hash = await asked({ kind: 'confirm' })
    const answers = await Promise.all([send(hash, 'yes'), send(hash, 'no')])
    expect(answers.map(({ headers }) => headers.location)).toEqual([
      at('progress', hash),
      at('progress', hash),
    ])
    await send(hash, 'no').expect(303).expect('Location', at('progress', hash))
    expect(['yes', 'no']).toContain(await otpMailbox.take(hash))
  })

  test('an early request for another picture is refused with the remaining seconds', async () => {
    const hash = await asked({ kind: 'image', image: PNG })
    const { text } = await browser.refused(at('resend-otp', hash)).expect(429)
    expect(textOf(load(text), '#otp-error')).toMatch(/^Another picture can be shown in [45] s\.$/)
  })
})

test('a reader without permission to act is not shown the form', async () => {
  const hash = await asked({ kind: 'confirm' })
  const owned = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
  const $ = await openBrowser(owned.address).open(at('otp', hash))
  expect(textOf($, '.notice')).toMatch(/^Only the person who started this request can answer\./)
  expect($('[name=otp]')).toHaveLength(0)
  await owned.stop()
})
