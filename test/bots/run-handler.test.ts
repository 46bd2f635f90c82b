/** `halfway/test`: one request through a handler, in process. */
import { describe, expect, it } from 'vitest'
import { codeRejected, defineService, smsSent } from '../../bots/index.ts'
import { type RunHandlerOptions, runHandler } from '../../bots/testing/run-handler.ts'

const service = defineService(
  {
    slug: 'booking',
    title: 'Booking',
    fields: [{ name: 'name', type: 'text', label: 'Name' }],
    steps: [{ id: 'booking', title: 'Book' }],
  },
  async ({ name }, request) => {
    await request.updateProgress(10, 'booking', 'Booking…')
    if (!(await request.askConfirm({ message: 'With a call?' })))
      return smsSent(
        { length: 4 },
        {
          async verify(code) {
            if (code !== '1111') throw codeRejected()
            return { name, code }
          },
          resend: async () => null,
        },
      )
    const code = await request.askCode({ length: 6, verify: (typed) => typed === '123456' })
    return { name, code }
  },
)
const run = (answers: RunHandlerOptions['answers'], data: Record<string, unknown> = { name: ' Ada ' }) =>
  runHandler(service, data, { answers })

describe('runHandler', () => {
  it('returns the result, the reports and the questions', async () => {
    const { result, reports, questions } = await run(['yes', '999999', '۱۲۳۴۵۶'])
    expect(result).toEqual({ name: 'Ada', code: '123456' })
    expect(reports).toEqual([{ progress: 10, step: 'booking', message: 'Booking…' }])
    expect(questions).toMatchObject([
      { kind: 'confirm', message: 'With a call?' },
      { kind: 'code', length: 6 },
    ])
  })

  it('calls a handler that answers SMS_SENT again with the code, until one is right', async () => {
    const { result, questions } = await run(['no', '2222', '1111'])
    expect(result).toEqual({ name: 'Ada', code: '1111' })
    expect(questions).toMatchObject([{ kind: 'confirm' }, { kind: 'code', length: 4 }])
  })

  it('returns the files that the handler stored, which are limited as in production', async () => {
    const storing = defineService(
      {
        slug: 'statement',
        title: 'Statement',
        fields: [{ name: 'count', type: 'number', label: 'Count' }],
        result: { fields: [{ name: 'first', type: 'file', label: 'First' }] },
      },
      async ({ count }, request) => {
        await request.heartbeat()
        const stored = []
        for (let i = 0; i < count; i++)
          stored.push(await request.addFile({ name: `${request.attempt}-${i}.txt`, bytes: 'متن' }))
        return { first: stored[0] }
      },
    )
    const { result, faults, files } = await runHandler(storing, { count: 2 })
    expect(result).toEqual({ first: { name: '1-0.txt', size: 6, id: '1.1' } })
    expect(faults).toEqual([])
    expect(files.map(({ id, name, type, bytes }) => [id, name, type, String(bytes)])).toEqual([
      ['1.1', '1-0.txt', 'application/octet-stream', 'متن'],
      ['1.2', '1-1.txt', 'application/octet-stream', 'متن'],
    ])
    await expect(runHandler(storing, { count: 6 })).rejects.toMatchObject({ code: 'validation_failed' })
  })

  it('answers may be a function of the question', async () => {
    const { result } = await run(({ kind }) => (kind === 'confirm' ? 'yes' : '123456'))
    expect(result).toMatchObject({ code: '123456' })
  })

  it('rejects as the handler does when codes are wrong or a question expires', async () => {
    const wrong = ['999999', '999999', '999999']
    await expect(run(['yes', ...wrong])).rejects.toMatchObject({ code: 'otp_attempts_exhausted' })
    await expect(run(['no', '2222', '2222', '2222', '1111'])).rejects.toMatchObject({ code: 'OTP_REJECTED' })
    await expect(run([null])).rejects.toMatchObject({ code: 'otp_expired' })
  })

  it('names invalid data, an invalid answer and a missing one', async () => {
    await expect(run([], {})).rejects.toThrow('The form of "booking" refuses the data: name (required).')
    await expect(run(['perhaps'])).rejects.toThrow('"perhaps" is no answer to a confirm: invalid_otp.')
    await expect(run([])).rejects.toThrow('The handler asks for a confirm, and the test has no answer left.')
  })

  it('refuses a report of a step that the definition does not have', async () => {
    const steps = [{ id: 'only', title: 'Only' }]
    const typo = defineService({ slug: 'typo', title: 'Typo', steps }, (_data, request) =>
      request.updateProgress(10, 'onyl', 'Working…'),
    )
    await expect(runHandler(typo)).rejects.toMatchObject({ code: 'unknown_step' })
  })

  it('names what in the result does not fit the definition', async () => {
    const fields = [{ name: 'parcels', type: 'number' as const, label: 'Parcels' }]
    const misfit = defineService({ slug: 'misfit', title: 'Misfit', result: { fields } }, async () => ({
      parcels: 'many',
    }))
    const { faults } = await runHandler(misfit)
    expect(faults).toEqual(['parcels: must be a number'])
  })

  it('refuses a result that a request cannot keep', async () => {
    const large = defineService({ slug: 'large', title: 'Large' }, async () => 'x'.repeat(300 * 1024))
    await expect(runHandler(large)).rejects.toMatchObject({ code: 'result_too_large' })
  })
})
