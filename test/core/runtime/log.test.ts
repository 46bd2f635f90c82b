import { describe, expect, it } from 'vitest'
import { AppError } from '../../../core/domain/errors.ts'
import { createLog, type Log } from '../../../core/runtime/log.ts'

const SECRET = 'very-secret-483920'

/** @returns what is written when `work` logs */
function written(work: (log: Log) => void, level = 'trace', wholeErrors = true): string {
  let text = ''
  const destination = {
    write(line: string) {
      text += line
    },
  }
  work(createLog('test', level, { destination, wholeErrors }))
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

  it('a log that nothing reads drops lines beyond 8 MB, and counts them once it is read again', () => {
    const lines: string[] = []
    const pipe = { writableLength: 8 * 1024 * 1024 + 1, write: (line: string) => void lines.push(line) }
    const log = createLog('test', 'info', { destination: pipe })
    for (const word of ['one', 'two']) log.info(word)
    expect(lines).toEqual([])
    pipe.writableLength = 0
    log.info('three')
    log.info('four')
    const read = lines.map((line) => JSON.parse(line))
    expect(read.map(({ msg, lines: dropped }) => dropped ?? msg)).toEqual([2, 'three', 'four'])
  })

  it('the log writes nothing below its level', () => {
    expect(written((log) => log.info('hello'), 'warn')).toBe('')
  })

  it.each([
    'otp', 'otp_data', 'request_data', 'result_data', 'data', 'body', 'token', 'password', 'mobile', 'national_code',
    'session_id', 'user_id', 'owner_token', 'ownerToken', 'owner_hash', 'authorization', 'cookie', 'set-cookie',
  ])('the log redacts %s at any depth, in lists and in child loggers', (name) => {
    const text = written((log) => {
      log.info({ [name]: SECRET })
      log.info({ a: { [name]: SECRET } })
      log.info({ a: { b: { [name]: SECRET } } })
      log.info({ req: { headers: { more: { much: { deeper: { [name]: { value: SECRET } } } } } } })
      log.info({ list: [{ [name]: SECRET }] })
      log.child({ [name]: SECRET }).info('child')
    })
    expect(text).not.toContain(SECRET)
    expect(text.trim().split('\n').map((line) => JSON.parse(line).level)).toEqual(Array(6).fill(30))
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

  it('the log names no hash of a request, in fields, messages and errors', () => {
    const hash = 'req_o6iG9ef2y25raJ88gx9ljmx21i6d3'
    const text = written((log) => {
      log.child({ hash }).error({ err: new Error(`WRONGTYPE local_request:${hash}`) }, `about ${hash}`)
    })
    expect(text).not.toContain(hash.slice(4))
    expect(JSON.parse(text).hash).toBe('[secret]')
  })

  it('in development the log has the whole error, of a handler too, with stack and cause', () => {
    const error = new Error('no score for 0012345679', { cause: new TypeError('fetch failed') })
    for (const key of ['err', 'handler_err'])
      expect(JSON.parse(written((log) => log.error({ [key]: error })))[key]).toMatchObject({
        type: 'Error',
        message: 'no score for 0012345679',
        stack: expect.stringContaining('log.test.ts'),
        cause: { type: 'TypeError', message: 'fetch failed' },
      })
  })

  it('in production the log leaves out messages that may quote what a person typed', () => {
    const inProduction = (fields: object): string => written((log) => log.error(fields), 'trace', false)
    for (const error of [
      new Error('Sara 0012345679'),
      new SyntaxError('Unexpected token S, "Sara 0012345679"'),
    ]) {
      const text = inProduction({ err: new Error('wrapped', { cause: error }) })
      expect(text).not.toMatch(/Sara|0012345679/)
      expect(JSON.parse(text).err.cause).toMatchObject({
        type: error.name,
        stack: expect.stringContaining('at '),
      })
    }
    const own = new TypeError("Cannot read properties of undefined (reading 'score') of 0012345679")
    expect(JSON.parse(inProduction({ err: own })).err.message).toBe(
      "Cannot read properties of undefined (reading 'score') of …",
    )
    expect(inProduction({ handler_err: own })).not.toContain('score')
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { syscall: 'connect' })
    expect(JSON.parse(inProduction({ err: refused })).err.message).toBe(refused.message)
  })
})
