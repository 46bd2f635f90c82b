/** Generators of input: valid, nearly valid and invalid. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { badAnnouncement } from './bad-announcements.ts'

/** Values used in this suite only, so that a search of the log finds leaks. */
export const SECRETS = {
  nationalCode: '0499370899',
  mobile: '09351236547',
  account: '6219861034529007',
  otp: '739184',
  session: 'sessionsessionsess-42',
  token: 'tokentokentokentokentokentoken42',
  idempotencyKey: 'idempotency-key-of-somebody',
  text: 'what-somebody-typed',
} as const

/** A complete HTTP request; `{n}` in its path stands for the hash of an existing request. */
export interface HttpCase {
  kind: 'http'
  method: string
  path: string
  target: number
  headers: [string, string][]
  body: Buffer | null
}
/** Raw bytes on a connection. */
export interface BytesCase {
  kind: 'bytes'
  bytes: Buffer
}
export interface SocketCase {
  kind: 'socket'
  target: number
  frames: { opcode: number; payload: Buffer }[]
}
export type BadInput = HttpCase | BytesCase | SocketCase

const nastyText = fc.oneof(
  fc.constantFrom(
    '', ' ', '\0', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'null', 'NaN', '-1', '1e309', '9'.repeat(400),
    '../../etc/passwd', '<script>alert(1)</script>', '<%= 1 %>', '۰۹۳۵۱۲۳۶۵۴۷', '\ud800', '\udfff\ud800', '\u202e\ufeff', '🙂'.repeat(50),
    'x'.repeat(5000), "' OR 1=1 --", '*', '\r\n\r\n', '%', '%00', '%E0%A4%A', '{{7*7}}',
  ), // biome-ignore format: a list
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
)
const someNumber = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, 1e21, -1e308, 2 ** 53))
const someValue: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  someNumber,
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 3 }),
)

/** One value is replaced, missing or added. */
function nearly(right: Record<string, unknown>): fc.Arbitrary<Record<string, unknown>> {
  const names = Object.keys(right)
  return fc.oneof(
    fc.constant(right),
    fc
      .record({ name: fc.constantFrom(...names), value: someValue })
      .map(({ name, value }) => ({ ...right, [name]: value })),
    fc
      .constantFrom(...names)
      .map((name) => Object.fromEntries(Object.entries(right).filter(([key]) => key !== name))),
    fc
      .tuple(nastyText, someValue)
      .map(([name, value]) => Object.fromEntries([...Object.entries(right), [name, value]])),
  )
}

const FORMS = {
  'credit-score-rating': { mobile: SECRETS.mobile, national_code: SECRETS.nationalCode },
  'account-statement': { mobile: SECRETS.mobile, account_number: SECRETS.account },
  'link-check': { url: `https://example.test/?q=${SECRETS.text}` },
} as const
const slugs = Object.keys(FORMS) as (keyof typeof FORMS)[]
const slug = fc.constantFrom(...slugs)

const submission = slug.chain((service_slug) =>
  nearly(FORMS[service_slug]).chain((request_data) => nearly({ service_slug, request_data })),
)
const codeBody = fc.oneof(
  nearly({ otp: SECRETS.otp }),
  fc.record({
    otp: fc.constantFrom<unknown>(
      SECRETS.otp,
      739184,
      '۷۳۹۱۸۴',
      '7',
      '7'.repeat(9000),
      1e21,
      -1,
      '1e5',
      ' 739184 ',
      [739184],
      {},
    ),
  }),
)

const DEEP = 9_000
const strangeJson = fc.constantFrom(
  '['.repeat(DEEP), '['.repeat(DEEP) + ']'.repeat(DEEP), '{"a":'.repeat(DEEP), `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
  `{"service_slug":"link-check","request_data":${'{"url":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`,
  '{"__proto__":{"service_slug":"link-check"},"request_data":{}}', '{"service_slug":"link-check","request_data":{"__proto__":{"url":"https://example.test"}}}',
  '{"service_slug":"__proto__","request_data":{}}', '{"service_slug":"constructor","request_data":{}}', '{"service_slug":"link-check","constructor":{"prototype":{"x":1}}}',
  '{"otp":1e400}', `{"otp":${'9'.repeat(5000)}}`, '{"otp":"\\ud800"}', '{"otp":"\\u0000"}', '{"otp":"1","otp":"2"}', '\ufeff{"otp":"1"}', '', ' ', 'null', '"', '{', '{"service_slug":"link-ch',
  `{"service_slug":"link-check","request_data":{"url":"https://example.test/${'a'.repeat(70_000)}"}}`,
  `{${Array.from({ length: 3000 }, (_, n) => `"field${n}":1`).join()}}`,
  `{"service_slug":"link-check","request_data":{${Array.from({ length: 3000 }, (_, n) => `"field${n}":1`).join()}}}`,
) // biome-ignore format: a list
const jsonText = fc.oneof(
  { weight: 6, arbitrary: submission.map((value) => JSON.stringify(value)) },
  { weight: 4, arbitrary: codeBody.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: someValue.map((value) => JSON.stringify(value) ?? '') },
  { weight: 2, arbitrary: strangeJson },
  {
    weight: 1,
    arbitrary: fc.tuple(submission, fc.nat(200)).map(([value, at]) => JSON.stringify(value).slice(0, at)),
  },
)
const formText = fc.oneof(
  fc
    .tuple(slug, fc.dictionary(nastyText, nastyText, { maxKeys: 4 }))
    .map(([name, more]) =>
      new URLSearchParams({ _key: 'key-of-the-form', ...FORMS[name], ...more }).toString(),
    ),
  codeBody.map(({ otp }) => new URLSearchParams({ otp: String(otp) }).toString()),
  fc.constantFrom(
    'otp',
    'otp=1&otp=2',
    'otp[]=1',
    'otp[__proto__]=1',
    '__proto__=1&constructor=2',
    '_key=%',
    'mobile=%E0%A4%A',
    '=&=&=',
    '&'.repeat(2000),
    'a=1&'.repeat(1500),
  ),
  nastyText,
)
const binary = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))

const BOMB = gzipSync(Buffer.alloc(20_000_000, '['))
const compressed = jsonText.chain(
  (text) =>
  fc.constantFrom<[string, Buffer]>(
    ['gzip', gzipSync(text)], ['deflate', deflateSync(text)], ['br', brotliCompressSync(text)], ['gzip', BOMB], ['gzip', Buffer.from(text)],
    ['gzip', gzipSync(text).subarray(0, 15)], ['br', Buffer.from('nonsense')], ['compress', Buffer.from(text)], ['gzip, gzip', gzipSync(gzipSync(text))],
  ), // biome-ignore format: a list
)

const CHARSETS = [
  '',
  '; charset=utf-8',
  '; charset=utf-16',
  '; charset=latin1',
  '; charset=nonsense',
  '; charset="',
  ';;;',
]
interface Body {
  headers: [string, string][]
  body: Buffer | null
}
const body: fc.Arbitrary<Body> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Body>({ headers: [], body: null }) },
  { weight: 6, arbitrary: jsonText.map((text) => typed('application/json', Buffer.from(text))) },
  {
    weight: 4,
    arbitrary: formText.map((text) => typed('application/x-www-form-urlencoded', Buffer.from(text))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'application/json',
          'application/x-www-form-urlencoded',
          'text/plain',
          'multipart/form-data',
          'multipart/form-data; boundary=x',
          'application/',
          'nonsense',
          '',
        ),
        fc.constantFrom(...CHARSETS),
        fc.oneof(
          binary,
          jsonText.map((text) => Buffer.from(text, 'utf16le')),
          formText.map((text) => Buffer.from(text, 'latin1')),
        ),
      )
      .map(([type, charset, bytes]) => typed(type + charset, bytes)),
  },
  {
    weight: 1,
    arbitrary: compressed.map(
      ([encoding, bytes]): Body => ({
        headers: [
          ['Content-Type', 'application/json'],
          ['Content-Encoding', encoding],
        ],
        body: bytes,
      }),
    ),
  },
)
const typed = (type: string, bytes: Buffer): Body => ({ headers: [['Content-Type', type]], body: bytes })

/** A header value: one line. Characters above 255 are changed on the way. */
const headerText = nastyText.map((text) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '').slice(0, 2000))
const header: fc.Arbitrary<[string, string]> = fc.oneof(
  ...Object.entries({
    Accept: ['text/html', 'application/json', '*/*', 'text/event-stream', 'nonsense', 'text/html;q=2', ',,,;', 'image/png'],
    'Accept-Encoding': ['gzip', 'identity;q=0', '*;q=0'],
    'Accept-Language': ['fa', 'x'.repeat(500)],
    'If-None-Match': ['*', '"1"', 'W/"2"', '"1-1"', '"', ',,,', '"9999999999999999999"', `"${'1'.repeat(900)}"`],
    'If-Modified-Since': ['yesterday', new Date(0).toUTCString()],
    'Last-Event-ID': ['0', '1', '-1', '1e9', '99999999999999999999', 'x'],
    'Idempotency-Key': [SECRETS.idempotencyKey, 'x'.repeat(255), 'x'.repeat(256), '', '__proto__'],
    Origin: ['null', 'http://elsewhere.test', 'x', 'http://', 'http://[', '//'],
    Referer: ['http://elsewhere.test/'],
    Host: ['elsewhere.test', 'x:99999', '[::1', ''],
    'Sec-Fetch-Site': ['same-origin', 'cross-site', 'nonsense', ''],
    Cookie: [`halfway_session=${SECRETS.session}`, 'halfway_session=', 'halfway_session=x; halfway_session=y', ';;;=;', `a=${'b'.repeat(3000)}`],
    Authorization: [`Bearer ${SECRETS.token}`, 'Bearer', 'Bearer ', 'Basic x', `Bearer ${'x'.repeat(3000)}`],
    'X-Forwarded-For': ['1.2.3.4', '1.2.3.4, 5.6.7.8', 'unknown', ',,,', '::1', '999.999.999.999', 'x'.repeat(1000), '::ffff:1.2.3.4', 'fe80::1%eth0'],
    'X-Forwarded-Proto': ['https', 'javascript', ','],
    'X-Forwarded-Host': ['elsewhere.test', ''],
    'X-HTTP-Method-Override': ['DELETE'],
    Range: ['bytes=0-1', 'bytes=5-1', 'bytes=-', `bytes=${'0-1,'.repeat(200)}`],
    'If-Range': ['"x"'],
    Expect: ['100-continue'],
    Upgrade: ['h2c', 'websocket', 'nonsense'],
    'Content-Language': ['fa'],
    'Content-Length': ['0'],
    Forwarded: ['for=1.2.3.4'],
    TE: ['trailers'],
  }).map(([name, values]) =>
    fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: headerText }).map((value): [string, string] => [name, value]),
  ),
  fc.tuple(fc.constantFrom('X-Anything', '__proto__', 'constructor'), headerText),
) // biome-ignore format: a table

/** Characters that a URL may hold as they are; all others are percent-encoded, sometimes wrongly. */
const segment = fc.oneof(
  nastyText.map((text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, '?')).slice(0, 3000)),
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%2e%2e%2f%2e%2e%2fpackage.json',
    '%00',
    '%',
    '%E0%A4%A',
    '%ff',
    ';',
    ':',
    '@',
    '(',
    ')',
    '%2F',
    '%5c..%5c',
    'req_*',
    'req_',
  ),
)
const path = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.constantFrom(
      '/api/local-requests', '/api/local-requests/{n}/status', '/api/local-requests/{n}/events', '/api/local-requests/{n}/result',
      '/api/local-requests/{n}/cancel', '/api/local-requests/{n}/otp', '/api/local-requests/{n}/resend-otp',
      ...slugs.map((name) => `/services/${name}`), ...['progress', 'otp', 'result', 'cancel', 'resend-otp'].map((page) => `/services/credit-score-rating/${page}/{n}`),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '/', '/livez', '/readyz', '/api/services', '/assets/style.css', '/assets/progress.js', '/assets/', '/assets', '/favicon.ico', '/socket.io/', '/socket.io/?EIO=4&transport=polling', '/socket.io/?EIO=3&transport=websocket',
      '/services', '/services/', '/api', '/api/', '//', '/API/LOCAL-REQUESTS', '/services/link-check/', '/services/nothing', '/services/__proto__/progress/{n}', '/robots.txt', '/.env', '/server/main.ts',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.oneof(
      segment.map((text) => `/${text}`), segment.map((text) => `/assets/${text}`), segment.map((text) => `/services/${text}`), segment.map((text) => `/services/${text}/progress/{n}`),
      segment.map((text) => `/services/link-check/${text}/{n}`), segment.map((text) => `/services/link-check/otp/${text}`), segment.map((text) => `/api/local-requests/${text}/status`),
      segment.map((text) => `/api/local-requests/{n}/${text}`), segment.map((text) => `/socket.io/${text}`),
    ),
  },
) // biome-ignore format: a list
/** Never asks for a long wait. */
const query = fc.oneof(
  { weight: 5, arbitrary: fc.constant('') },
  fc.constantFrom(
    '?after=1',
    '?after=1&wait=0',
    '?after=999999999&wait=1',
    '?wait=1',
    '?after=-1',
    '?after=1&after=2',
    '?after[]=1',
    '?after[x]=1',
    '?wait=26',
    '?wait=1e1',
    '?wait=999999999',
    '?after=9999999999',
    '?refused',
    '?',
    '?&&&',
    '?__proto__=1',
    '?a'.repeat(500),
  ),
  segment.map((text) => `?after=${text}`),
  segment.map((text) => `?${text}=${text}`),
)

const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('GET', 'POST') },
  fc.constantFrom('HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PURGE', 'SEARCH'),
)

const target = fc.nat(999)
interface Shot {
  method: string
  path: string
  content: Body
}
/** Any method with any URL and any body. */
const loose: fc.Arbitrary<Shot> = fc.record({
  method,
  path: fc.tuple(path, query).map(([path, query]) => (path.includes('?') ? path : path + query)),
  content: body,
})
const none: Body = { headers: [], body: null }
const json = (value: unknown): Body => typed('application/json', Buffer.from(JSON.stringify(value)))
const form = (fields: Record<string, unknown>): Body =>
  typed(
    'application/x-www-form-urlencoded',
    Buffer.from(
      new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)])).toString(),
    ),
  )
const post = (path: fc.Arbitrary<string>, content: fc.Arbitrary<Body>): fc.Arbitrary<Shot> =>
  fc.record({ method: fc.constant('POST'), path, content })
/** Valid except for its values. */
const aimed: fc.Arbitrary<Shot> = fc.oneof(
  { weight: 3, arbitrary: post(fc.constant('/api/local-requests'), submission.map(json)) },
  { weight: 3, arbitrary: post(fc.constant('/api/local-requests'), body) },
  {
    weight: 3,
    arbitrary: slug.chain((name) => post(fc.constant(`/services/${name}`), nearly(FORMS[name]).map(form))),
  },
  { weight: 2, arbitrary: post(fc.constant('/api/local-requests/{n}/otp'), codeBody.map(json)) },
  { weight: 2, arbitrary: post(fc.constant('/services/link-check/otp/{n}'), codeBody.map(form)) },
  {
    weight: 2,
    arbitrary: post(
      fc.constantFrom(
        ...['resend-otp', 'cancel'].flatMap((act) => [
          `/api/local-requests/{n}/${act}`,
          `/services/link-check/${act}/{n}`,
        ]),
      ),
      fc.oneof(fc.constant(none), body),
    ),
  },
  {
    weight: 2,
    arbitrary: badAnnouncement(slugs).map(({ path, ...content }) => ({ method: 'PUT', path, content })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      method: fc.constantFrom('GET', 'HEAD'),
      path: fc.tuple(path, query).map(([path, query]) => (path.includes('?') ? path : path + query)),
      content: fc.constant(none),
    }),
  },
)
const http: fc.Arbitrary<HttpCase> = fc
  .record({
    shot: fc.oneof({ weight: 3, arbitrary: aimed }, { weight: 1, arbitrary: loose }),
    target,
    headers: fc.oneof(fc.constant([]), fc.array(header, { maxLength: 4 })),
  })
  .map(({ shot: { method, path, content }, target, headers }) => ({
    kind: 'http',
    method,
    path,
    target,
    headers: [...headers, ...content.headers],
    body: content.body,
  }))

const CRLF = '\r\n'
const crooked = fc.constantFrom(
  '', CRLF, 'GET', 'GET /', 'GET / HTTP/1.1', `GET / HTTP/1.1${CRLF}`, `GET / HTTP/9.9${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}${CRLF}`, `get / http/1.1${CRLF}Host: x${CRLF}${CRLF}`, `GET  / HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`,
  `GET /\0 HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`, `GET / HTTP/1.1\nHost: x\n\n`, `GET / HTTP/1.0${CRLF}${CRLF}`, `GET http://elsewhere.test/ HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`, `GET * HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`,
  `OPTIONS * HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`, `CONNECT x:1 HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`, `GET nothing HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}Host: x${CRLF}Host: y${CRLF}${CRLF}`,
  `GET / HTTP/1.1${CRLF}Host: x${CRLF} folded${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}: x${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}Host x${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}Host: x\ry${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}Host: x${CRLF}A: ${'b'.repeat(20_000)}${CRLF}${CRLF}`,
  `GET / HTTP/1.1${CRLF}Host: x${CRLF}${'A: b\r\n'.repeat(3000)}${CRLF}`, `GET /${'a'.repeat(20_000)} HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`,
  `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Content-Length: 5${CRLF}Transfer-Encoding: chunked${CRLF}${CRLF}0${CRLF}${CRLF}`, `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Transfer-Encoding: chunked${CRLF}Content-Type: application/json${CRLF}${CRLF}zz${CRLF}`,
  `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Content-Length: -1${CRLF}${CRLF}`, `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Content-Length: 1e3${CRLF}${CRLF}`, `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Content-Length: 999999999999${CRLF}Content-Type: application/json${CRLF}${CRLF}{`,
  `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Content-Length: 100${CRLF}Content-Type: application/json${CRLF}${CRLF}{"a":`, `POST /services/link-check HTTP/1.1${CRLF}Host: x${CRLF}Content-Length: 100${CRLF}Content-Type: application/x-www-form-urlencoded${CRLF}${CRLF}url=`,
  `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Transfer-Encoding: gzip, chunked${CRLF}${CRLF}0${CRLF}${CRLF}`, `GET / HTTP/1.1${CRLF}Host: x${CRLF}Expect: nonsense${CRLF}${CRLF}`, `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1${CRLF}Host: x${CRLF}Connection: Upgrade${CRLF}Upgrade: websocket${CRLF}${CRLF}`, `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1${CRLF}Host: x${CRLF}Connection: Upgrade${CRLF}Upgrade: websocket${CRLF}Sec-WebSocket-Key: x${CRLF}Sec-WebSocket-Version: 13${CRLF}${CRLF}`,
  `GET /socket.io/?EIO=4&transport=websocket&sid=__proto__ HTTP/1.1${CRLF}Host: x${CRLF}Connection: Upgrade${CRLF}Upgrade: websocket${CRLF}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==${CRLF}Sec-WebSocket-Version: 13${CRLF}${CRLF}`,
  `GET /socket.io/?EIO=9&transport=__proto__ HTTP/1.1${CRLF}Host: x${CRLF}Connection: Upgrade${CRLF}Upgrade: websocket${CRLF}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==${CRLF}Sec-WebSocket-Version: 99${CRLF}${CRLF}`,
  `GET /api/services HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}GET /livez HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`.repeat(20),
) // biome-ignore format: a list
const RIGHT = `POST /api/local-requests HTTP/1.1${CRLF}Host: x${CRLF}Content-Type: application/json${CRLF}Content-Length: 61${CRLF}${CRLF}{"service_slug":"link-check","request_data":{"url":"https://x"}}`
const mutated = fc
  .array(
    fc.tuple(
      fc.nat(RIGHT.length),
      fc.constantFrom('set', 'insert', 'delete'),
      fc.integer({ min: 0, max: 255 }),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((changes) => {
    const bytes = [...Buffer.from(RIGHT)]
    for (const [at, how, byte] of changes)
      if (how === 'set') bytes[at] = byte
      else bytes.splice(at, how === 'delete' ? 1 : 0, ...(how === 'delete' ? [] : [byte]))
    return Buffer.from(bytes)
  })
const bytes: fc.Arbitrary<BytesCase> = fc
  .oneof(
    crooked.map((text) => Buffer.from(text, 'latin1')),
    mutated,
    binary,
  )
  .map((bytes) => ({ kind: 'bytes', bytes }))

const packetText = fc.oneof(
  fc.tuple(fc.constantFrom('request:watch', 'request:unwatch', 'request:update', 'error', 'no-such-event', 'constructor'), someValue, fc.option(fc.nat(9))).map(([event, value, ack]) => `42${ack ?? ''}${JSON.stringify([event, value])}`),
  nearly({ hash: '{n}', version: 1, owner_token: SECRETS.token }).map((message) => `421${JSON.stringify(['request:watch', message])}`),
  nearly({ hash: '{n}' }).map((message) => `42${JSON.stringify(['request:unwatch', message])}`),
  fc.constantFrom('', '0', '1', '2', '3', '5', '6', '9', '2probe', '4', '40', '40/x,', '40{"token":1}', '41', '42', '42[]', '42[null]', '42[1]', '42["disconnect"]', '420["request:watch"]', '42["request:watch",{},1,2]', '430[1]', '43[1]', '43-1[]', '44{}', '451-["request:watch",{"_placeholder":true,"num":0}]', '459999-[]', '451-["x",{"_placeholder":true,"num":99}]', '461-[]', '47', 'b4AAAA', 'bx', `42["x","${'x'.repeat(5000)}"]`, `42${'['.repeat(4000)}`, `42["__proto__",{"__proto__":1}]`, '42999999999999999999999["request:watch",{}]'),
  nastyText,
) // biome-ignore format: a list
const frame = fc.oneof(
  { weight: 8, arbitrary: packetText.map((text) => ({ opcode: 1, payload: Buffer.from(text) })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 1, 2, 3, 8, 9, 10, 15), fc.uint8Array({ maxLength: 120 }))
      .map(([opcode, payload]) => ({ opcode, payload: Buffer.from(payload) })),
  },
)
const socket: fc.Arbitrary<SocketCase> = fc
  .record({ target, frames: fc.array(frame, { minLength: 1, maxLength: 8 }) })
  .map((given) => ({ kind: 'socket', ...given }))

export const badInput: fc.Arbitrary<BadInput> = fc.oneof(
  { weight: 8, arbitrary: http },
  { weight: 1, arbitrary: bytes },
  { weight: 1, arbitrary: socket },
)
