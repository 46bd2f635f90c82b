/** `watch`: follows a request to its end, with and without a terminal. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { PNG } from '../helpers/pictures.ts'
import { aRecord, progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const redis = await useRedis()
const { store, given, applyCommand, otpMailbox } = await useRequests(redis)
const cli = useCli(redis)

const DONE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const started = async (): Promise<string> => (await given(START)).record.hash

describe('without a terminal', () => {
  test('watch prints a line per step, then the result, and exits with 0', async () => {
    const hash = await started()
    const run = cli.start(['watch', hash])
    await eventually(() => expect(run.out()).toContain('0 %  processing'))
    await applyCommand(hash, progressTo(40, 'Solving the captcha…'))
    await eventually(() => expect(run.out()).toContain(' 40 %  processing  Solving the captcha…'))
    // Only the percentage changes: no line.
    await applyCommand(hash, progressTo(45, 'Solving the captcha…'))
    await applyCommand(hash, REQUIRE_OTP)
    await eventually(() =>
      expect(run.out()).toMatch(/otp_required.*Type the code sent to .* on the request's page\./),
    )
    await applyCommand(hash, DONE)
    const { code, out } = await run.ended
    expect(code).toBe(0)
    expect(out).toMatch(/100 % {2}completed.*\n\{\n {2}"score": 712\n\}\n$/)
    expect(out.match(/processing {2}.*Solving/g)).toHaveLength(1)
    expect(new Set(out.split('\n')).size).toBe(out.split('\n').length)
  })

  test('watch exits with 1 when the request fails or is cancelled, and with 3 when it expires', async () => {
    const [failing, cancelled] = [await started(), await started()]
    const short = aRecord({ ttlSeconds: 2 })
    await store.create(short)
    const runs = [failing, cancelled, short.hash].map((hash) => cli.start(['watch', hash]))
    for (const run of runs) await eventually(() => expect(run.out()).toContain(' 0 %'))
    await applyCommand(failing, {
      type: 'fail',
      error: { code: 'x', message: 'It broke.', retryable: false },
    })
    await applyCommand(cancelled, { type: 'cancel', by: 'user' })
    const [one, two, three] = await Promise.all(runs.map(({ ended }) => ended))
    expect(one).toMatchObject({ code: 1, out: expect.stringContaining('It broke.') })
    expect(two).toMatchObject({ code: 1, out: expect.stringContaining('cancelled') })
    expect(three).toMatchObject({ code: 3, err: expect.stringContaining('request_expired') })
  })

  test('watch --json prints a line of JSON per state', async () => {
    const hash = await started()
    const run = cli.start(['watch', hash, '--json'])
    await eventually(() => expect(run.out()).toContain('"version":2'))
    await applyCommand(hash, DONE)
    const { out, code } = await run.ended
    const states = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).status)
    expect([code, states.at(0), states.at(-1)]).toEqual([0, 'processing', 'completed'])
  })

  test('watch prints the result of a completed request and exits', async () => {
    const hash = (await given(START, DONE)).record.hash
    expect(await cli.run('watch', hash)).toMatchObject({
      code: 0,
      out: expect.stringContaining('"score": 712'),
    })
  })

  test('Ctrl-C ends watch and not the request', async () => {
    const hash = await started()
    const run = cli.start(['watch', hash])
    await eventually(() => expect(run.out()).toContain('processing'))
    run.interrupt()
    expect((await run.ended).code).toBe(1)
    expect((await store.read(hash))?.record.status).toBe('processing')
  })
})

describe('on a terminal', () => {
  test('watch on a terminal shows a bar, prompts for the code, submits it, and never prints it', async () => {
    const hash = await started()
    await applyCommand(hash, progressTo(40, 'Solving the captcha…'))
    const run = cli.start(['watch', hash], { isTerminal: true })
    await eventually(() => expect(run.out()).toMatch(/━{40} 40 % {2}Solving the captcha…/))
    await applyCommand(hash, REQUIRE_OTP)
    await eventually(() => expect(run.out()).toMatch(/Type the 6 digits sent to .*, or "new" for a new code/))
    const before = run.out().length
    run.type('12345\r')
    await eventually(() => expect(run.out().slice(before)).toContain('The code has 6 digits; you typed 5.'))
    await eventually(() => expect(run.out().slice(before)).toContain('Type the 6 digits'))
    run.type('۱۲۳۴۵۶\r')
    await eventually(async () => expect((await store.read(hash))?.record.status).toBe('processing'))
    expect(await otpMailbox.take(hash)).toBe('123456')
    await applyCommand(hash, DONE)
    const { code, out } = await run.ended
    expect(code).toBe(0)
    expect(out).toContain('"score": 712')
    expect(out).not.toMatch(/123456|۱۲۳۴۵۶/)
  })

  test('a pasted SMS of several lines is searched for the code', async () => {
    const hash = await started()
    await applyCommand(hash, REQUIRE_OTP)
    const run = cli.start(['watch', hash], { isTerminal: true })
    await eventually(() => expect(run.out()).toContain('Type the 6 digits'))
    // Terminals paste line breaks as Enter.
    run.type('Bank Example\rYour code: 424242\rValid for 2 minutes')
    run.type('\r')
    await eventually(async () => expect((await store.read(hash))?.record.status).toBe('processing'))
    expect(await otpMailbox.take(hash)).toBe('424242')
    await applyCommand(hash, DONE)
    expect((await run.ended).code).toBe(0)
  })

  const ask = (otp: object): Command => ({ type: 'require_otp', attempt: 1, otp: { id: 'q-1', ...otp } })
  const OPTIONS = [
    { value: 'a', label: { en: 'First', fa: 'اول' } },
    { value: 'b', label: 'Second' },
  ]
  const DOWN = '\u001b[B'

  test.each([
    [
      'text',
      { kind: 'text', message: 'Which street?' },
      /Which street\? \(or "new" to have it sent again\)/,
      'Main Street\r',
      'Main Street',
    ],
    [
      'choice',
      { kind: 'choice', message: 'Which one?', options: OPTIONS },
      /Which one\?[\s\S]*First[\s\S]*Second/,
      `${DOWN}\r`,
      'b',
    ],
    [
      'confirm',
      { kind: 'confirm', message: 'Go on?', confirm_label: 'Go on' },
      /Go on\?[\s\S]*Go on \/ .*No/,
      'y',
      'yes',
    ],
    [
      'image',
      { kind: 'image', image: PNG },
      /The picture is on the request’s page, and at \/api\/local-requests\/req_.*\/otp\/image\?id=q-1\.[\s\S]*Type what you see/,
      'x7Kp\r',
      'x7Kp',
    ],
  ] as const)(
    'watch asks a question of the kind %s in its own form',
    async (_kind, question, shown, typed, answer) => {
      const hash = await started()
      await applyCommand(hash, ask(question))
      const run = cli.start(['watch', hash], { isTerminal: true })
      await eventually(() => expect(run.out()).toMatch(shown))
      run.type(typed)
      await eventually(async () => expect(await otpMailbox.take(hash)).toBe(answer))
      await applyCommand(hash, DONE)
      expect((await run.ended).code).toBe(0)
    },
  )

  test('an open prompt stays until it changes, and closes when another client submits the code', async () => {
    const hash = await started()
    await applyCommand(hash, REQUIRE_OTP)
    const run = cli.start(['watch', hash], { isTerminal: true })
    await eventually(() => expect(run.out()).toContain('Type the 6 digits'))
    await applyCommand(hash, { type: 'progress', attempt: 1, progress: 55 })
    await applyCommand(hash, { type: 'submit_otp', otp: '654321' })
    await eventually(() => expect(run.out()).toMatch(/55 %/))
    expect(run.out().match(/◆/g)).toHaveLength(1)
    await applyCommand(hash, DONE)
    expect((await run.ended).code).toBe(0)
  })
})
