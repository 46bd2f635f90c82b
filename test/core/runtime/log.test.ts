import { describe, expect, it } from 'vitest'
import { AppError } from '../../../core/domain/errors.ts'
import { createLog, type Log } from '../../../core/runtime/log.ts'

const SECRET = 'very-secret-483920'

/** @returns what is written when `work` logs */
function written(work: (log: Log) => void, level = 'trace'): string {
  let text = ''
  const destination = {
    write(line: string) {
      text += line
    },
  }
  work(createLog('test', level, destination))
  return text
}

describe('createLog', () => {
  it('the log writes one line of JSON per message, with time, process and name', () => {
    const [line, ...rest] = written((log) => log.info({ hash: 'req_x' }, 'something happened'))
      .trim()
      .split('\n')
    expect(JSON.parse(line as string)).toMatchObject({
      name: 'test',
      pid: process.pid,
      hash: 'req_x',
      msg: 'something happened',
    })
    expect(JSON.parse(line as string).time).toMatch(/^\d{4}-\d\d-\d\dT.+Z$/)
    expect(rest).toEqual([])
  })

  it('the log escapes every character that a terminal acts on, as equivalent JSON', () => {
    const words = 'a\u001b[2J\u009b2J\u202eb\u007f\u2028'
    const line = written((log) => log.info({ words, err: new Error(words) }, words))
    expect(line.slice(0, -1)).toMatch(/^[\x20-\x7e]+$/)
    expect(JSON.parse(line)).toMatchObject({ msg: words, words, err: { message: words } })
  })

  it('the log writes nothing below its level', () => {
    expect(written((log) => log.info('hello'), 'warn')).toBe('')
  })

  it.each([
    'otp', 'otp_data', 'request_data', 'result_data', 'data', 'body', 'token', 'password', 'mobile', 'national_code',
    'session_id', 'user_id', 'owner_token', 'ownerToken', 'owner_hash', 'authorization', 'cookie', 'set-cookie',
  ])('the log redacts %s up to four levels deep, in lists and in child loggers', (name) => {
    const text = written((log) => {
      log.info({ [name]: SECRET })
      log.info({ a: { [name]: SECRET } })
      log.info({ a: { b: { [name]: SECRET } } })
      log.info({ req: { headers: { more: { [name]: { value: SECRET } } } } })
      log.info({ list: [{ [name]: SECRET }] })
      log.child({ [name]: SECRET }).info('child')
    })
    expect(text).not.toContain(SECRET)
    expect(text.trim().split('\n')).toHaveLength(6)
  }) // biome-ignore format: a list

  it('the log writes name, code, message, stack and causes of an error, and no other property', () => {
    const cause = Object.assign(new Error('read ECONNRESET'), {
      code: 'ECONNRESET',
      command: { args: [SECRET] },
    })
    const text = written((log) =>
      log.error({ err: new AppError('storage_unavailable', { cause }) }, 'failed'),
    )
    expect(text).not.toContain(SECRET)
    expect(JSON.parse(text).err).toMatchObject({
      type: 'AppError', error_code: 'storage_unavailable', cause: { error_code: 'ECONNRESET', message: 'read ECONNRESET' },
    }) // biome-ignore format: one error
  })

  it('the log accepts any thrown value, including an error that is its own cause', () => {
    const circular = new Error('circular')
    circular.cause = circular
    for (const thrown of ['text', undefined, null, 17, circular, new Error('x'.repeat(100_000))]) {
      expect(written((log) => log.error({ err: thrown }, 'failed')).length).toBeLessThan(100_000)
    }
  })
})
