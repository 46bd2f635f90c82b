import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import { type BotCall, BotNotReached, createBotClient } from '../../workers/bot-client.ts'
import { aHash } from '../helpers/record.ts'
import {
  failure,
  halfAnAnswer,
  html,
  json,
  poured,
  type Reply,
  silence,
  slowly,
  smsSent,
  startForeignBot,
  success,
  turnedAway,
  twice,
  useForeignBot,
} from './foreign-bot.ts'

const TOKEN = 'a-token-of-the-tests'

const bot = await useForeignBot()
const client = createBotClient({ url: bot.url, token: TOKEN })
afterAll(() => client.stop())

const aCall = (fields: Partial<BotCall> = {}): BotCall => ({
  slug: 'credit-score-rating',
  hash: aHash(),
  attempt: 1,
  requestData: { mobile: '09123456789' },
  signal: new AbortController().signal,
  ...fields,
})

/** What the client makes of one reply. */
const understood = (reply: Reply) => {
  const call = aCall()
  bot.replies(call.hash, reply)
  return client.call(call)
}
const refused = (reply: Reply): Promise<AppError> =>
  understood(reply).then(
    (answer) => Promise.reject(new Error(`was understood as ${JSON.stringify(answer)}`)),
    (error: unknown) => (error instanceof AppError ? error : Promise.reject(error)),
  )

describe('a whole number beyond 2^53 in an answer', () => {
  const raw =
    (text: string): Reply =>
    (res) =>
      res.writeHead(200, { 'content-type': 'application/json' }).end(text)

  test('is refused by the place where it stands in the data', async () => {
    const error = await refused(
      raw('{"status":"success","data":{"lines":[{"account":12345678901234567890}]}}'),
    )
    expect(error).toMatchObject({ code: 'bot_bad_answer', retryable: false })
    expect(error.detail).toContain('at data.lines[0].account: send it as a string')
  })

  test('does no harm beside the data, nor as a string', async () => {
    const text = '{"status":"success","trace":12345678901234567890,"data":{"account":"12345678901234567890"}}'
    expect(await understood(raw(text))).toMatchObject({ data: { account: '12345678901234567890' } })
  })
})

describe('a bot is called', () => {
  test('with the token, the request, the attempt, and what the person typed, and with nothing else', async () => {
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
    })
  })

  test('with the code, when there is one', async () => {
    const call = aCall({ otp: '012345' })
    bot.replies(call.hash, success())
    await client.call(call)
    expect((await bot.call(call.hash)).body).toEqual({
      mobile: '09123456789',
      requestHash: call.hash,
      otp: '012345',
    })
  })

  test('with its own hash, whatever the form had in a field of that name', async () => {
    const call = aCall({ requestData: { requestHash: 'req_of-somebody-else' } })
    bot.replies(call.hash, success())
    await client.call(call)
    expect((await bot.call(call.hash)).body).toEqual({ requestHash: call.hash })
  })

  test('below the path of its address', async () => {
    const below = createBotClient({ url: `${bot.url}/bots/`, token: TOKEN })
    const call = aCall({ slug: 'a/b' })
    bot.replies(call.hash, success())
    await below.call(call)
    expect((await bot.call(call.hash)).path).toBe('/bots/api/services/a%2Fb')
    await below.stop()
  })
})

describe('an answer is understood', () => {
  test('when it is a result, of any JSON', async () => {
    for (const data of [{ score: 712 }, [1, 2], 'text', 0, null]) {
      expect(await understood(success(data))).toMatchObject({ status: 'success', code: 'COMPLETED', data })
    }
  })

  test('when it says success and no more', async () => {
    expect(await understood(json({ status: 'success' }))).toEqual({ status: 'success', code: 'COMPLETED' })
  })

  test('when a code was sent', async () => {
    const told = { message: 'A code was sent.', message_key: 'code_sent', message_params: { digits: 6 } }
    const otp_data = { length: 6, sent_to: '0912***6789', ...told, expires_in: 90 }
    expect(await understood(smsSent(otp_data))).toEqual({ status: 'success', code: 'SMS_SENT', otp_data })
  })

  test('when a code was sent and the rest is nonsense', async () => {
    for (const nonsense of [{ length: 'six' }, { expires_in: -1 }, 'soon', null]) {
      expect(await understood(smsSent(nonsense))).toMatchObject({ code: 'SMS_SENT', otp_data: {} })
    }
  })

  test('when it is an error, under any HTTP status', async () => {
    const error = { status: 'error', code: 'portal_down', message: 'The portal is down.', retryable: true }
    for (const status of [200, 404, 409, 422, 500])
      expect(await understood(json(error, status))).toEqual(error)
  })

  test('when it comes byte by byte, and when it comes twice', async () => {
    expect(await understood(slowly(success({ score: 712 })))).toMatchObject({ data: { score: 712 } })
    expect(await understood(twice(success('first'), success('second')))).toMatchObject({ data: 'first' })
    expect(await understood(success('the next call'))).toMatchObject({ data: 'the next call' })
  })

  test('when an error says little: then it is for good', async () => {
    expect(await understood(json({ status: 'error' }))).toMatchObject({
      status: 'error',
      code: 'failed',
      retryable: false,
    })
  })
})

describe('an answer is refused', () => {
  const refusals: [string, Reply, ErrorCode, boolean][] = [
    ['when the token is not accepted', html(401), 'bot_unauthorized', false],
    ['when the token is not enough', html(403), 'bot_unauthorized', false],
    ['as passing, when a proxy says 502 in HTML', html(502), 'bot_unavailable', true],
    [
      'as passing, when a failing server speaks another JSON',
      json({ oops: true }, 500),
      'bot_unavailable',
      true,
    ],
    ['as passing, when it breaks off in the middle', halfAnAnswer, 'bot_unavailable', true],
    ['as passing, when the bot hangs up without a word', (res) => res.destroy(), 'bot_unavailable', true],
    ['when it is HTML', html(200), 'bot_bad_answer', false],
    ['when it is empty', (res) => res.writeHead(204).end(), 'bot_bad_answer', false],
    ['when it is an HTML 404: there is no such bot', html(404), 'bot_bad_answer', false],
    ['when it is JSON of another form', json({ ok: true }), 'bot_bad_answer', false],
    ['when its status is unknown', json({ status: 'done' }), 'bot_bad_answer', false],
    ['when it is JSON and no object', json(['success']), 'bot_bad_answer', false],
    ['when it is null', json(null), 'bot_bad_answer', false],
  ]
  test.each(refusals)('%s', async (_when, reply, code, retryable) => {
    expect(await refused(reply)).toMatchObject({ code, retryable })
  })

  test('when it is larger than a result may be, and is not read to its end', async () => {
    const call = aCall()
    bot.replies(call.hash, poured)
    await expect(client.call(call)).rejects.toMatchObject({ code: 'bot_bad_answer', retryable: false })
    await (await bot.call(call.hash)).hungUp
  })

  test('when it sends elsewhere: neither the token nor the data goes there', async () => {
    const elsewhere = await startForeignBot()
    for (const status of [301, 302, 307, 308]) {
      const call = aCall()
      elsewhere.replies(call.hash, success())
      bot.replies(call.hash, (res) => res.writeHead(status, { location: `${elsewhere.url}/api` }).end())
      await expect(client.call(call)).rejects.toBeInstanceOf(AppError)
      expect(elsewhere.calls(call.hash)).toEqual([])
    }
    await elsewhere.stop()
  })

  test('without a word of token, code or form in the error', async () => {
    for (const reply of [html(502), html(200), halfAnAnswer, json({ ok: true })]) {
      const call = aCall({ otp: '424242' })
      bot.replies(call.hash, reply)
      const error = await client.call(call).catch((reason: AppError) => reason)
      const told = JSON.stringify(error) + String((error as AppError).stack)
      for (const secret of [TOKEN, '424242', '09123456789']) expect(told).not.toContain(secret)
    }
  })
})

describe('no work was begun', () => {
  const notBegun = async (reply: Reply): Promise<BotNotReached> => {
    const error = await refused(reply)
    expect(error).toBeInstanceOf(BotNotReached)
    return error as BotNotReached
  }

  test('when nobody listens, on one address or on several', async () => {
    const gone = await startForeignBot()
    await gone.stop()
    const { port } = new URL(gone.url)
    for (const host of ['127.0.0.1', 'localhost']) {
      const away = createBotClient({ url: `http://${host}:${port}`, token: TOKEN })
      const error = await away.call(aCall()).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(BotNotReached)
      expect(error).toMatchObject({ code: 'bot_unavailable', retryable: true, retryAfterSeconds: undefined })
      await away.stop()
    }
  })

  test('when a busy bot says 429, or a proxy or a bot that is away says 503, in whatever words', async () => {
    for (const body of ['<h1>Busy</h1>', '', '{"oops":true}', '{"status":"success"}']) {
      expect(await notBegun(turnedAway(429, {}, body))).toMatchObject({ code: 'bot_busy', retryable: true })
      expect(await notBegun(turnedAway(503, {}, body))).toMatchObject({
        code: 'bot_unavailable',
        retryable: true,
        detail: undefined,
      })
    }
  })

  test('when the bot says so in its own form: its words are passed on', async () => {
    const said = (code: string) => JSON.stringify({ status: 'error', code, message: 'Not just now.' })
    for (const [status, saying, code] of [
      [429, 'overrun', 'bot_busy'],
      [503, 'overrun', 'bot_unavailable'],
      [503, 'bot_stopping', 'bot_stopping'],
    ] as const) {
      const error = await notBegun(turnedAway(status, {}, said(saying)))
      expect(error).toMatchObject({ code, retryable: true, detail: 'Not just now.' })
    }
  })

  test('when the words break off in the middle', async () => {
    const broken: Reply = (res) => {
      res.writeHead(503, { 'content-length': '1000', 'retry-after': '7' })
      res.write('<h1>', () => res.destroy())
    }
    expect(await notBegun(broken)).toMatchObject({ code: 'bot_unavailable', retryAfterSeconds: 7 })
  })

  test('and when to come again is read in seconds or as a date, by the bot’s own clock', async () => {
    const date = 'Mon, 01 Jun 2026 12:00:00 GMT'
    for (const [retryAfter, seconds] of [
      ['0', 0],
      ['17', 17],
      ['Mon, 01 Jun 2026 12:00:30 GMT', 30],
      ['Mon, 01 Jun 2026 11:00:00 GMT', 0],
      ['soon', undefined],
    ] as const) {
      for (const status of [429, 503] as const) {
        const error = await notBegun(turnedAway(status, { 'retry-after': retryAfter, date }))
        expect(error.retryAfterSeconds, retryAfter).toBe(seconds)
      }
    }
  })

  test('is not said of a connection that breaks once the bot was asked', async () => {
    for (const reply of [halfAnAnswer, (res) => res.destroy(), html(502), html(500)] as Reply[])
      expect(await refused(reply)).not.toBeInstanceOf(BotNotReached)
  })
})

describe('a call that is aborted', () => {
  test('closes the connection and rejects with the reason, while the bot is silent', async () => {
    const abort = new AbortController()
    const call = aCall({ signal: abort.signal })
    bot.replies(call.hash, silence)
    const answer = client.call(call)
    const received = await bot.call(call.hash)
    abort.abort(new AppError('already_final'))
    await expect(answer).rejects.toMatchObject({ code: 'already_final' })
    await received.hungUp
  })

  test('closes the connection in the middle of an answer too', async () => {
    const abort = new AbortController()
    const call = aCall({ signal: abort.signal })
    const begun = new Promise<void>((resolve) => {
      bot.replies(call.hash, (res) => res.write('{"status":', () => resolve()))
    })
    const answer = client.call(call)
    await begun
    abort.abort(new AppError('timed_out'))
    await expect(answer).rejects.toMatchObject({ code: 'timed_out' })
    await (await bot.call(call.hash)).hungUp
  })

  test('never reaches the bot when it was aborted before', async () => {
    const call = aCall({ signal: AbortSignal.abort(new AppError('already_final')) })
    await expect(client.call(call)).rejects.toMatchObject({ code: 'already_final' })
    expect(bot.calls(call.hash)).toEqual([])
  })
})

/** The client puts a connection back a moment after the answer was read. */
const isIdle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a connection that the bot closes when it is used again', () => {
  const ANSWER = '{"status":"success","data":"done"}'
  const HEAD = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ANSWER.length}\r\n\r\n`
  /** Answers the first request of a connection and closes it at the second; remembers how many it was asked. */
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
    const own = createBotClient({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: TOKEN,
    })
    onTestFinished(() => own.stop())
    return { own, counts: () => ({ asked, connected }) }
  }

  test.each([
    ['with a reset', (socket: Socket) => void socket.resetAndDestroy()],
    ['with an end', (socket: Socket) => void socket.end()],
  ])('%s costs no attempt: it is asked again on another one', async (_how, close) => {
    const { own, counts } = await startClosingBot(close)
    expect(await own.call(aCall())).toMatchObject({ data: 'done' })
    await isIdle()
    expect(await own.call(aCall())).toMatchObject({ data: 'done' })
    expect(counts()).toEqual({ asked: 3, connected: 2 })
  })

  test('and that dies each time it is asked has been asked twice, and the attempt counts', async () => {
    let asked = 0
    const dying = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => (++asked === 1 ? socket.write(HEAD + ANSWER) : socket.resetAndDestroy()))
    })
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void dying.close())
    const own = createBotClient({
      url: `http://127.0.0.1:${(dying.address() as AddressInfo).port}`,
      token: TOKEN,
    })
    onTestFinished(() => own.stop())
    expect(await own.call(aCall())).toMatchObject({ data: 'done' })
    await isIdle()
    const error = await own.call(aCall()).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'bot_unavailable' })
    expect(error).not.toBeInstanceOf(BotNotReached)
    expect(asked).toBe(3)
  })
})

test('an attempt after the first takes a connection of its own: behind a balancer another bot may answer', async () => {
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
  const own = createBotClient({ url: `http://127.0.0.1:${port}`, token: TOKEN })
  onTestFinished(() => own.stop())
  await expect(own.call(aCall())).rejects.toMatchObject({ code: 'unknown_service' })
  await isIdle()
  expect(await own.call(aCall({ attempt: 2 }))).toMatchObject({ data: 'by the new bot' })
})

test('stopping the client ends the calls that are open', async () => {
  const stopped = createBotClient({ url: bot.url, token: TOKEN })
  const call = aCall()
  bot.replies(call.hash, failure('never'), silence)
  await stopped.call(call)
  const ended = expect(stopped.call(call)).rejects.toMatchObject({ code: 'bot_unavailable' })
  const received = await bot.call(call.hash, 2)
  await stopped.stop()
  await Promise.all([ended, received.hungUp])
})
