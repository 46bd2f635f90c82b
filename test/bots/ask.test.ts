/** `ask` and its forms: a question, the wait for its answer, another code, and what follows a wrong answer. */
import { afterAll, describe, expect, it } from 'vitest'
import type { Ask } from '../../bots/ask.ts'
import { createUpdater } from '../../bots/updater.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { eventually } from '../helpers/eventually.ts'
import { GIF, PNG, pngOfBytes, SVG } from '../helpers/pictures.ts'
import { START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const redis = await useRedis()
const { client, store, given, applyCommand } = await useRequests(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })
afterAll(() => updater.stop())

const halfAMinuteLater = createRequestStore({
  redis: client,
  ttlSeconds: TTL_SECONDS,
  now: () => Date.now() + 31_000,
})

/** A request whose bot asks, and its submitter. */
async function asking<T>(question: (ask: Ask) => Promise<T>) {
  const { hash } = (await given(START)).record
  const answer = question(updater.bind(hash, () => 1))
  // Each test looks at it later.
  answer.catch(() => {})
  const read = async () => (await store.read(hash))?.record
  const prompt = () =>
    eventually(async () => {
      const record = await read()
      expect(record?.status).toBe('otp_required')
      return record?.otp_data
    })
  return {
    hash,
    answer,
    read,
    prompt,
    async type(otp: string) {
      await prompt()
      await applyCommand(hash, { type: 'submit_otp', otp })
    },
    async resend() {
      await prompt()
      expect(await halfAMinuteLater.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
    },
  }
}

describe('each kind of question', () => {
  it('askCode resolves with the code', async () => {
    const { answer, prompt, type } = await asking((ask) =>
      ask.askCode({ length: 6, sentTo: '0912***4567', message: 'Type it', expiresIn: 90 }),
    )
    expect(await prompt()).toMatchObject({
      kind: 'code',
      length: 6,
      sent_to: '0912***4567',
      message: 'Type it',
    })
    await type('۴۸۳ ۹۲۰')
    expect(await answer).toBe('483920')
  })

  it('askText resolves with the trimmed text', async () => {
    const { answer, prompt, type } = await asking((ask) =>
      ask.askText({ message: 'Your street?', maxLength: 40 }),
    )
    expect(await prompt()).toMatchObject({ kind: 'text', max_length: 40, message: 'Your street?' })
    await type(' Main Street 5 ')
    expect(await answer).toBe('Main Street 5')
  })

  it('askChoice resolves with the value of the chosen option', async () => {
    const { answer, prompt, type } = await asking((ask) =>
      ask.askChoice({
        options: [
          { value: 'savings', label: { en: 'Savings', fa: 'پس‌انداز' } },
          { value: 'current', label: 'Current' },
        ],
      }),
    )
    expect(await prompt()).toMatchObject({
      kind: 'choice',
      options: [{ value: 'savings' }, { label: 'Current' }],
      resend_available_at: null,
    })
    await type('current')
    expect(await answer).toBe('current')
  })

  it.each([
    ['yes', true],
    ['no', false],
  ])('askConfirm resolves with a boolean for the answer %s', async (typed, expected) => {
    const { answer, prompt, type } = await asking((ask) =>
      ask.askConfirm({ message: 'Go on?', confirmLabel: 'Go on' }),
    )
    expect(await prompt()).toMatchObject({
      kind: 'confirm',
      confirm_label: 'Go on',
      resend_available_at: null,
    })
    await type(typed)
    expect(await answer).toBe(expected)
  })

  it('askImage resolves with what was read in the picture', async () => {
    const { answer, prompt, type } = await asking((ask) => ask.askImage({ image: PNG }))
    const asked = await prompt()
    expect(asked).toMatchObject({ kind: 'image', has_image: true })
    expect(asked).not.toHaveProperty('image')
    await type('x7Kp')
    expect(await answer).toBe('x7Kp')
  })

  it('ask takes a question of any kind, also by the hash', async () => {
    const { hash } = (await given(START)).record
    const answer = updater.ask(hash, { kind: 'confirm' })
    await eventually(async () => expect((await store.read(hash))?.record.status).toBe('otp_required'))
    await applyCommand(hash, { type: 'submit_otp', otp: 'no' })
    expect(await answer).toBe('no')
  })

  it('one handler may ask more questions than a code has tries', async () => {
    const { answer, type, prompt, read } = await asking(async (ask) => {
      const answers: string[] = []
      for (let n = 0; n < 5; n++) answers.push(await ask.askText({ message: `Question ${n}` }))
      return [...answers, await ask.askCode({ length: 4 })]
    })
    for (let n = 0; n < 5; n++) {
      await eventually(async () => expect((await prompt())?.message).toBe(`Question ${n}`))
      await type(`answer ${n}`)
    }
    expect((await read())?.otp_limits).toBeUndefined()
    await eventually(async () => expect(await prompt()).toMatchObject({ kind: 'code', attempts_left: 3 }))
    await type('1234')
    expect(await answer).toHaveLength(6)
  })
})

describe('another code', () => {
  it('resend is called when the submitter asks for it, and the question is renewed afterwards', async () => {
    let sent = 0
    const { answer, prompt, resend, type } = await asking((ask) =>
      ask.askCode({ length: 6, resend: async () => void sent++ }),
    )
    const first = await prompt()
    await resend()
    const renewed = await eventually(async () => {
      const open = await prompt()
      expect(open?.id).not.toBe(first?.id)
      return open
    })
    expect(sent).toBe(1)
    expect(renewed).toMatchObject({ kind: 'code', length: 6, resends: 1, resend_requested: false })
    await type('111111')
    expect(await answer).toBe('111111')
  })

  it('without resend none is offered, not even for a moment', async () => {
    const { prompt, type, answer } = await asking((ask) => ask.askCode())
    expect(await prompt()).toMatchObject({ resend_available_at: null })
    await type('1234')
    await answer
  })

  it('the resend of an image shows another picture', async () => {
    const { hash, prompt, resend, answer, type } = await asking((ask) =>
      ask.askImage({ image: PNG, resend: async () => GIF }),
    )
    const first = await prompt()
    await resend()
    await eventually(async () => expect((await prompt())?.id).not.toBe(first?.id))
    expect(await client.get(client.names.image(hash))).toBe(`${(await prompt())?.id} ${GIF}`)
    await type('abc')
    await answer
  })
})

describe('wrong answers', () => {
  it('verify asks again until the code is right', async () => {
    const { answer, prompt, type } = await asking((ask) =>
      ask.askCode({ length: 4, verify: async (code) => code === '2222', rejection: 'Not that one' }),
    )
    await type('1111')
    await eventually(async () =>
      expect(await prompt()).toMatchObject({ attempts_left: 2, error: { message: 'Not that one' } }),
    )
    await type('2222')
    expect(await answer).toBe('2222')
  })

  it('the last wrong code rejects with otp_attempts_exhausted', async () => {
    const { answer, type, prompt, read } = await asking((ask) => ask.askCode({ verify: () => false }))
    for (const left of [3, 2, 1]) {
      await eventually(async () => expect(await prompt()).toMatchObject({ attempts_left: left }))
      await type('1111')
    }
    await expect(answer).rejects.toMatchObject({ name: 'BotFailure', code: 'otp_attempts_exhausted' })
    expect(await read()).toMatchObject({ status: 'failed', error_data: { code: 'otp_attempts_exhausted' } })
  })

  it('a question without an answer in time rejects with otp_expired', async () => {
    const { answer } = await asking((ask) => ask.askConfirm({ expiresIn: 0.2 }))
    await expect(answer).rejects.toMatchObject({ name: 'BotFailure', code: 'otp_expired' })
  })
})

describe('an invalid question', () => {
  const OPTION = { value: 'a', label: 'A' }
  it.each([
    ['a choice with one option', { kind: 'choice', options: [OPTION] }],
    [
      'a choice with 21 options',
      { kind: 'choice', options: Array.from({ length: 21 }, (_, n) => ({ value: `${n}`, label: 'A' })) },
    ],
    ['a choice with the same value twice', { kind: 'choice', options: [OPTION, OPTION] }],
    ['a text of more than 200 characters', { kind: 'text', maxLength: 201 }],
    ['an image in SVG', { kind: 'image', image: SVG }],
    ['an image of more than 64 kB', { kind: 'image', image: pngOfBytes(64 * 1024 + 1) }],
    ['an image at an address', { kind: 'image', image: 'https://example.com/a.png' }],
    ['an unknown kind', { kind: 'video' }],
  ])('%s is refused, and the request continues', async (_what, question) => {
    const { answer, read } = await asking((ask) => ask.ask(question as Parameters<Ask['ask']>[0]))
    await expect(answer).rejects.toMatchObject({ name: 'AppError', code: 'bot_bad_answer' })
    expect(await read()).toMatchObject({ status: 'processing', otp_data: null })
  })

  it('an image of 64 kB is accepted', async () => {
    const { prompt, type, answer } = await asking((ask) => ask.askImage({ image: pngOfBytes(64 * 1024) }))
    expect(await prompt()).toMatchObject({ has_image: true })
    await type('a')
    await answer
  })
})
