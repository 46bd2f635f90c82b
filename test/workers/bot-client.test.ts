import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { type BotCall, BotNotReached, createBotClient } from '../../workers/bot-client.ts'
import { PNG, pngOfBytes } from '../helpers/pictures.ts'
import { aHash } from '../helpers/record.ts'
import {
  endless,
  failure,
  halfAnAnswer,
  html,
  json,
  type Reply,
  refusedWith,
  silence,
  slowly,
  smsSent,
  startForeignBot,
  success,
  twice,
  useForeignBot,
} from './foreign-bot.ts'

const TOKEN = 'a-token-of-the-tests'

const bot = await useForeignBot()
const client = createBotClient()
afterAll(() => client.stop())

const aCall = (fields: Partial<BotCall> = {}): BotCall => ({
  url: bot.url,
  tokens: [TOKEN],
  slug: 'credit-score-rating',
  hash: aHash(),
  attempt: 1,
  requestData: { mobile: '09123456789' },
  signal: new AbortController().signal,
  ...fields,
})

/** The client's result for one reply. */
const callWith = (reply: Reply) => {
  const call = aCall()
  bot.replies(call.hash, reply)
  return client.call(call)
}
const refused = (reply: Reply): Promise<AppError> =>
  callWith(reply).then(
    (answer) => Promise.reject(new Error(`was accepted as ${JSON.stringify(answer)}`)),
    (error: unknown) => (error instanceof AppError ? error : Promise.reject(error)),
  )

describe('a whole number beyond 2^53 in an answer', () => {
  const raw =
    (text: string): Reply =>
    (res) =>
      res.writeHead(200, { 'content-type': 'application/json' }).end(text)

  test('an answer with a whole number beyond 2^53 is refused with its path in the data', async () => {
    const error = await refused(
      raw('{"status":"success","data":{"lines":[{"account":12345678901234567890}]}}'),
    )
    expect(error).toMatchObject({ code: 'bot_bad_answer', retryable: false })
    expect(error.detail).toContain('at data.lines[0].account: send it as a string')
  })

  test('a whole number beyond 2^53 is accepted outside the data, and as a string', async () => {
    const text = '{"status":"success","trace":12345678901234567890,"data":{"account":"12345678901234567890"}}'
    expect(await callWith(raw(text))).toMatchObject({ data: { account: '12345678901234567890' } })
  })
})

describe('a call of a bot', () => {
  test('a call sends token, hash, attempt and submitted data, and nothing else', async () => {
    const call = aCall({ attempt: 2, requestData: { mobile: '09123456789', national_code: '0012345679' } })
    bot.replies(call.hash, success())
    await client.call(call)

    const received = await bot.call(call.hash)
    expect(received).toMatchObject({ method: 'POST', path: '/api/services/credit-score-rating' })
    expect(received.body).toEqual({
      mobile: '09123456789',
      national_code: '0012345679',
      requestHash: call.hash,
    })
    const ofEveryFetch = /^(host|connection|content-length|user-agent|accept.*|sec-fetch-mode)$/
    expect(
      Object.fromEntries(Object.entries(received.headers).filter(([name]) => !ofEveryFetch.test(name))),
    ).toEqual({
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/json',
      'idempotency-key': call.hash,
      'x-attempt': '2',
      'x-request-id': shortReference(call.hash),
    })
  })

  test('a call sends the code, if there is one', async () => {
    const call = aCall({ otp: '012345' })
    bot.replies(call.hash, success())
    await client.call(call)
    expect((await bot.call(call.hash)).body).toEqual({
      mobile: '09123456789',
      requestHash: call.hash,
      otp: '012345',
    })
  })

  test('a call sends its own hash, whatever a form field named requestHash contains', async () => {
    const call = aCall({ requestData: { requestHash: 'req_of-another-request' } })
    bot.replies(call.hash, success())
    await client.call(call)
    expect((await bot.call(call.hash)).body).toEqual({ requestHash: call.hash })
  })

  test('a call is sent below the path of the bot’s URL', async () => {
    const call = aCall({ url: `${bot.url}/bots/`, slug: 'a/b' })
    bot.replies(call.hash, success())
    await client.call(call)
    expect((await bot.call(call.hash)).path).toBe('/bots/api/services/a%2Fb')
  })
})

describe('an accepted answer', () => {
  test('a result of any JSON is accepted', async () => {
    for (const data of [{ score: 712 }, [1, 2], 'text', 0, null]) {
      expect(await callWith(success(data))).toMatchObject({ status: 'success', code: 'COMPLETED', data })
    }
  })

  test('an answer with status success alone is accepted', async () => {
    expect(await callWith(json({ status: 'success' }))).toEqual({ status: 'success', code: 'COMPLETED' })
  })

  test('SMS_SENT is accepted with its otp_data', async () => {
    const message = { message: 'A code was sent.', message_key: 'code_sent', message_params: { digits: 6 } }
    const otp_data = { length: 6, sent_to: '0912***6789', ...message, expires_in: 90 }
    expect(await callWith(smsSent(otp_data))).toEqual({ status: 'success', code: 'SMS_SENT', otp_data })
  })

  test('SMS_SENT is accepted without invalid otp_data', async () => {
    for (const invalid of [{ length: 'six' }, { expires_in: -1 }, 'soon', null]) {
      expect(await callWith(smsSent(invalid))).toMatchObject({ code: 'SMS_SENT', otp_data: {} })
    }
  })

  test('SMS_SENT may ask any kind of question, without invalid hints', async () => {
    const options = [
      { value: 'a', label: 'A' },
      { value: 'b', label: { en: 'B', fa: 'ب' } },
    ]
    for (const otp_data of [
      { kind: 'text', max_length: 40, message: 'Which street?' },
      { kind: 'choice', options },
      { kind: 'confirm', confirm_label: 'Go on', decline_label: { en: 'Stop' } },
      { kind: 'image', image: PNG },
    ]) {
      expect(await callWith(smsSent(otp_data))).toMatchObject({ code: 'SMS_SENT', otp_data })
    }
    const withInvalid = { kind: 'text', max_length: 999, message: 7, expires_in: 'soon', sent_to: 'a***' }
    expect(await callWith(smsSent(withInvalid))).toMatchObject({
      otp_data: { kind: 'text', sent_to: 'a***' },
    })
  })

  test.each([
    ['an unknown kind', { kind: 'video' }, 'kind must be code, text, choice, confirm, image'],
    ['a choice without options', { kind: 'choice' }, 'options'],
    ['an image of more than 64 kB', { kind: 'image', image: pngOfBytes(64 * 1024 + 1) }, 'image must be'],
  ])('SMS_SENT with %s is a bad answer that names it', async (_what, otp_data, reason) => {
    await expect(callWith(smsSent(otp_data))).rejects.toMatchObject({
      code: 'bot_bad_answer',
      detail: expect.stringContaining(reason),
    })
  })

  test('an error is accepted under any HTTP status', async () => {
    const error = { status: 'error', code: 'portal_down', message: 'The portal is down.', retryable: true }
    for (const status of [200, 404, 409, 422, 500]) expect(await callWith(json(error, status))).toEqual(error)
  })

  test('an answer is accepted byte by byte, and a second one is ignored', async () => {
    expect(await callWith(slowly(success({ score: 712 })))).toMatchObject({ data: { score: 712 } })
    expect(await callWith(twice(success('first'), success('second')))).toMatchObject({ data: 'first' })
    expect(await callWith(success('the next call'))).toMatchObject({ data: 'the next call' })
  })

  test('an error with status alone is accepted as not retryable', async () => {
    expect(await callWith(json({ status: 'error' }))).toMatchObject({
      status: 'error',
      code: 'failed',
      retryable: false,
    })
  })
})

describe('a token that is being replaced', () => {
  const onlyWith =
    (token: string): Reply =>
    (res, ...rest) =>
      (res.req.headers.authorization === `Bearer ${token}` ? success() : html(401))(res, ...rest)

  test.each(['the-newer-token', 'the-older-token'])('a bot that has %s is called', async (accepted) => {
    const call = aCall({ tokens: ['the-newer-token', 'the-older-token'] })
    bot.replies(call.hash, onlyWith(accepted), onlyWith(accepted))
    expect(await client.call(call)).toMatchObject({ status: 'success' })
  })

  test('a bot that has neither is not tried a third time', async () => {
    const call = aCall({ tokens: ['the-newer-token', 'the-older-token'] })
    bot.replies(call.hash, html(401), html(401), success())
    await expect(client.call(call)).rejects.toMatchObject({ code: 'bot_unauthorized' })
    expect(bot.calls(call.hash)).toHaveLength(2)
  })
})

describe('a refused answer', () => {
  const refusals: [string, Reply, ErrorCode, boolean][] = [
    ['status 401', html(401), 'bot_unauthorized', false],
    ['status 403', html(403), 'bot_unauthorized', false],
    ['HTML of a proxy with status 502', html(502), 'bot_unavailable', true],
    ['other JSON with status 500', json({ oops: true }, 500), 'bot_unavailable', true],
    ['a truncated answer', halfAnAnswer, 'bot_unavailable', true],
    ['a closed connection', (res) => res.destroy(), 'bot_unavailable', true],
    ['HTML', html(200), 'bot_bad_answer', false],
    ['an empty answer', (res) => res.writeHead(204).end(), 'bot_bad_answer', false],
    ['HTML with status 404', html(404), 'bot_bad_answer', false],
    ['JSON of another shape', json({ ok: true }), 'bot_bad_answer', false],
    ['an unknown status', json({ status: 'done' }), 'bot_bad_answer', false],
    ['a JSON array', json(['success']), 'bot_bad_answer', false],
    ['null', json(null), 'bot_bad_answer', false],
  ]
  test.each(refusals)('an answer is refused: %s', async (_what, reply, code, retryable) => {
    expect(await refused(reply)).toMatchObject({ code, retryable })
  })

  test('an answer that is too large is refused and not read to its end', async () => {
    const call = aCall()
    bot.replies(call.hash, endless)
    await expect(client.call(call)).rejects.toMatchObject({ code: 'bot_bad_answer', retryable: false })
    await (await bot.call(call.hash)).hungUp
  })

  test('a redirect is not followed: neither token nor data is sent there', async () => {
    const target = await startForeignBot()
    for (const status of [301, 302, 307, 308]) {
      const call = aCall()
      target.replies(call.hash, success())
      bot.replies(call.hash, (res) => res.writeHead(status, { location: `${target.url}/api` }).end())
      await expect(client.call(call)).rejects.toBeInstanceOf(AppError)
      expect(target.calls(call.hash)).toEqual([])
    }
    await target.stop()
  })

  test('the error of a refused answer contains no token, code or submitted data', async () => {
    for (const reply of [html(502), html(200), halfAnAnswer, json({ ok: true })]) {
      const call = aCall({ otp: '424242' })
      bot.replies(call.hash, reply)
      const error = await client.call(call).catch((reason: AppError) => reason)
      const errorText = JSON.stringify(error) + String((error as AppError).stack)
      for (const secret of [TOKEN, '424242', '09123456789']) expect(errorText).not.toContain(secret)
    }
  })
})

describe('BotNotReached', () => {
  const notReached = async (reply: Reply): Promise<BotNotReached> => {
    const error = await refused(reply)
    expect(error).toBeInstanceOf(BotNotReached)
    return error as BotNotReached
  }

  test('BotNotReached is thrown when no server listens, on one address or several', async () => {
    const stopped = await startForeignBot()
    await stopped.stop()
    const { port } = new URL(stopped.url)
    for (const host of ['127.0.0.1', 'localhost']) {
      const url = `http://${host}:${port}`
      const error = await client.call(aCall({ url })).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(BotNotReached)
      expect(error).toMatchObject({ code: 'bot_unavailable', retryable: true, retryAfterSeconds: undefined })
    }
  })

  test('BotNotReached is thrown for 429 as bot_busy and for 503 as bot_unavailable, whatever the body', async () => {
    for (const body of ['<h1>Busy</h1>', '', '{"oops":true}', '{"status":"success"}']) {
      expect(await notReached(refusedWith(429, {}, body))).toMatchObject({
        code: 'bot_busy',
        retryable: true,
      })
      expect(await notReached(refusedWith(503, {}, body))).toMatchObject({
        code: 'bot_unavailable',
        retryable: true,
        detail: undefined,
      })
    }
  })

  test('BotNotReached carries the message of the bot', async () => {
    const body = (code: string) => JSON.stringify({ status: 'error', code, message: 'Not just now.' })
    for (const [status, botCode, code] of [
      [429, 'overrun', 'bot_busy'],
      [503, 'overrun', 'bot_unavailable'],
      [503, 'bot_stopping', 'bot_stopping'],
    ] as const) {
      const error = await notReached(refusedWith(status, {}, body(botCode)))
      expect(error).toMatchObject({ code, retryable: true, detail: 'Not just now.' })
    }
  })

  test('BotNotReached is thrown for a 503 with a truncated body', async () => {
    const broken: Reply = (res) => {
      res.writeHead(503, { 'content-length': '1000', 'retry-after': '7' })
      res.write('<h1>', () => res.destroy())
    }
    expect(await notReached(broken)).toMatchObject({ code: 'bot_unavailable', retryAfterSeconds: 7 })
  })

  test('BotNotReached carries Retry-After, in seconds or as a date by the bot’s clock', async () => {
    const date = 'Mon, 01 Jun 2026 12:00:00 GMT'
    for (const [retryAfter, seconds] of [
      ['0', 0],
      ['17', 17],
      ['Mon, 01 Jun 2026 12:00:30 GMT', 30],
      ['Mon, 01 Jun 2026 11:00:00 GMT', 0],
      ['soon', undefined],
    ] as const) {
      for (const status of [429, 503] as const) {
        const error = await notReached(refusedWith(status, { 'retry-after': retryAfter, date }))
        expect(error.retryAfterSeconds, retryAfter).toBe(seconds)
      }
    }
  })

  test('BotNotReached is not thrown when the connection breaks after the call was sent', async () => {
    for (const reply of [halfAnAnswer, (res) => res.destroy(), html(502), html(500)] as Reply[])
      expect(await refused(reply)).not.toBeInstanceOf(BotNotReached)
  })
})

describe('a call that is aborted', () => {
  test('an aborted call closes the connection and rejects with the reason', async () => {
    const abort = new AbortController()
    const call = aCall({ signal: abort.signal })
    bot.replies(call.hash, silence)
    const answer = client.call(call)
    const received = await bot.call(call.hash)
    abort.abort(new AppError('already_final'))
    await expect(answer).rejects.toMatchObject({ code: 'already_final' })
    await received.hungUp
  })

  test('a call aborted within the answer closes the connection', async () => {
    const abort = new AbortController()
    const call = aCall({ signal: abort.signal })
    const answering = new Promise<void>((resolve) => {
      bot.replies(call.hash, (res) => res.write('{"status":', () => resolve()))
    })
    const answer = client.call(call)
    await answering
    abort.abort(new AppError('timed_out'))
    await expect(answer).rejects.toMatchObject({ code: 'timed_out' })
    await (await bot.call(call.hash)).hungUp
  })

  test('a call with an aborted signal is never sent', async () => {
    const call = aCall({ signal: AbortSignal.abort(new AppError('already_final')) })
    await expect(client.call(call)).rejects.toMatchObject({ code: 'already_final' })
    expect(bot.calls(call.hash)).toEqual([])
  })
})

/** The client returns a connection to its pool shortly after the answer was read. */
const isIdle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a reused connection that the bot closes', () => {
  const ANSWER = '{"status":"success","data":"done"}'
  const HEAD = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ANSWER.length}\r\n\r\n`
  /** Answers the first request of a connection and closes the connection at the second; counts both. */
  async function startClosingBot(close: (socket: Socket) => void) {
    let asked = 0
    let connected = 0
    const server = createTcpServer((socket) => {
      connected++
      let answered = false
      socket.on('error', () => {})
      socket.on('data', (data) => {
        asked += String(data).split('POST ').length - 1
        if (answered) return close(socket)
        if (!String(data).endsWith('}')) return
        answered = true
        socket.write(HEAD + ANSWER)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return { call: () => client.call(aCall({ url })), counts: () => ({ asked, connected }) }
  }

  test.each([
    ['with a reset', (socket: Socket) => void socket.resetAndDestroy()],
    ['with an end', (socket: Socket) => void socket.end()],
  ])('a reused connection that closes %s is replaced and the call sent again', async (_how, close) => {
    const { call, counts } = await startClosingBot(close)
    expect(await call()).toMatchObject({ data: 'done' })
    await isIdle()
    expect(await call()).toMatchObject({ data: 'done' })
    expect(counts()).toEqual({ asked: 3, connected: 2 })
  })

  test('a call whose replacement connection breaks too fails as bot_unavailable and counts', async () => {
    let asked = 0
    const dying = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => (++asked === 1 ? socket.write(HEAD + ANSWER) : socket.resetAndDestroy()))
    })
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void dying.close())
    const url = `http://127.0.0.1:${(dying.address() as AddressInfo).port}`
    expect(await client.call(aCall({ url }))).toMatchObject({ data: 'done' })
    await isIdle()
    const error = await client.call(aCall({ url })).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'bot_unavailable' })
    expect(error).not.toBeInstanceOf(BotNotReached)
    expect(asked).toBe(3)
  })
})

test('an attempt after the first opens a new connection, so that a load balancer may choose another bot', async () => {
  const NOT_KNOWN = '{"status":"error","code":"unknown_service"}'
  const ANSWER = '{"status":"success","data":"by the new bot"}'
  let connected = 0
  const balancer = createTcpServer((socket) => {
    const [head, body] = connected++ === 0 ? ['404 Not Found', NOT_KNOWN] : ['200 OK', ANSWER]
    socket.on('error', () => {})
    socket.on('data', (data) => {
      if (String(data).endsWith('}'))
        socket.write(`HTTP/1.1 ${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    })
  })
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void balancer.close())
  const { port } = balancer.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  await expect(client.call(aCall({ url }))).rejects.toMatchObject({ code: 'unknown_service' })
  await isIdle()
  expect(await client.call(aCall({ url, attempt: 2 }))).toMatchObject({ data: 'by the new bot' })
})

test('stopping the client aborts open calls', async () => {
  const stopped = createBotClient()
  const call = aCall()
  bot.replies(call.hash, failure('never'), silence)
  await stopped.call(call)
  const ended = expect(stopped.call(call)).rejects.toMatchObject({ code: 'bot_unavailable' })
  const received = await bot.call(call.hash, 2)
  await stopped.stop()
  await Promise.all([ended, received.hungUp])
})
