import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { toLocalizedMessage } from '../../../core/domain/message.ts'
import { createLog } from '../../../core/runtime/log.ts'
import { connectPublicOnly, type Resolve } from '../../../core/runtime/public-only.ts'
import type { BotRequest } from '../../bot-server/define-service.ts'
import { definition } from '../link-check/definition.ts'
import { extractLinks } from '../link-check/extract-links.ts'
import { FAILURES } from '../link-check/failure.ts'
import { createLinkCheck, createService } from '../link-check/index.ts'
import type { Limits } from '../link-check/limits.ts'
import { LINK_REASONS } from '../link-check/reasons.ts'
import type { Report } from '../link-check/report.ts'
import { createSite } from '../link-check/site.ts'
import { createSitePace } from '../link-check/site-pace.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

interface Served {
  origin: string
  /** Each request in order, as `GET /path`. */
  requests: string[]
  connections: () => Promise<number>
}

/** A site on loopback; other paths answer 404. */
async function serve(pages: Record<string, string | RequestListener> | RequestListener): Promise<Served> {
  const requests: string[] = []
  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    requests.push(`${req.method} ${req.url}`)
    const page = typeof pages === 'function' ? pages : pages[req.url ?? '']
    if (typeof page === 'function') page(req, res)
    else if (page === undefined) res.writeHead(404).end()
    else html(res, page)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
  }
}

const html = (res: ServerResponse, body: string | Buffer, type = 'text/html; charset=utf-8'): void =>
  void res.writeHead(200, { 'content-type': type }).end(body)
const links = (...hrefs: string[]): string => hrefs.map((href) => `<a href="${href}">x</a>`).join('\n')
const redirect =
  (to: string, status = 301): RequestListener =>
  (_req, res) =>
    void res.writeHead(status, { location: to }).end()

interface Reported {
  progress: number
  step: string | undefined
  message: string | undefined
}

/** What a handler is given, which records reports. */
function botRequest(signal = new AbortController().signal): BotRequest & { reports: Reported[] } {
  const reports: Reported[] = []
  const never = (): never => expect.unreachable('a link check asks for no code')
  return {
    hash: 'req_test',
    attempt: 1,
    signal,
    log: createLog('test', 'silent'),
    reports,
    updateProgress: async (progress, step, message = '') =>
      void reports.push({ progress, step, message: toLocalizedMessage(message).message }),
    heartbeat: async () => {},
    addFile: never,
    markAsOtpRequired: never,
    waitForOtp: never,
    rejectOtp: never,
    ask: never,
    askCode: never,
    askText: never,
    askChoice: never,
    askConfirm: never,
    askImage: never,
    parallel: never,
  }
}

/** Every address, as fast as possible; robots.txt is not among the requests that tests count. */
const FREE = { allowPrivate: true, ports: [], respectRobots: false, requestsPerSecond: 1e6 } as const

async function check(
  url: string,
  limits: Partial<Limits> = {},
  request: BotRequest = botRequest(),
): Promise<Report> {
  return (await createLinkCheck({ ...FREE, limits })({ url }, request)) as Report
}

describe('link check: a site', () => {
  it('a site with circular links is read completely, and each broken or redirected link is reported', async () => {
    const elsewhere = await serve({ '/fine.html': '', '/deep/': links('/never-followed') })
    const site = await serve({
      '/docs/': `${links('a.html', 'b.html#part', './', 'mailto:me@example.com', 'javascript:void(0)', 'tel:1', '#top')}
        <img src="/logo.png" srcset="small.png 1x, large,wide.png 2x"><link rel="stylesheet" href="style.css">`,
      '/docs/a.html': links(
        'b.html',
        '/docs/',
        'missing.html',
        'moved.html',
        `${elsewhere.origin}/fine.html`,
        'http://',
      ),
      '/docs/b.html': links(
        'a.html',
        'missing.html',
        'moved.html?page=2',
        '/above.html',
        `${elsewhere.origin}/deep/`,
      ),
      '/docs/moved.html': redirect('c/'),
      '/docs/moved.html?page=2': redirect('gone.html', 302),
      '/docs/c/': links('../a.html', `${elsewhere.origin}/nowhere`),
      '/docs/style.css': (_req, res) => html(res, 'a {}', 'text/css'),
      '/docs/small.png': (_req, res) => html(res, 'png', 'image/png'),
      '/logo.png': (_req, res) => html(res, 'png', 'image/png'),
      '/above.html': links('/not-followed.html'),
    })
    const report = await check(`${site.origin}/docs/`)

    const place = (path: string): string => `${site.origin}/docs/${path}`
    expect(
      report.broken.map(({ url, status, code, found_on, also_on }) =>
        [url, status, code, found_on, also_on].filter((value) => value !== undefined),
      ),
    ).toEqual([
      [place('large,wide.png'), 404, 'http_404', place('')],
      ['http://', null, 'invalid_address', place('a.html')],
      [place('missing.html'), 404, 'http_404', expect.stringMatching(/[ab]\.html$/), 1],
      [place('moved.html?page=2'), 404, 'http_404', place('b.html')],
      [`${elsewhere.origin}/nowhere`, 404, 'http_404', place('c/')],
    ])
    expect(report.redirected).toEqual([
      { url: place('moved.html'), to: place('c/'), status: 301, found_on: place('a.html') },
    ])
    expect(report).toMatchObject({
      pages_checked: 4,
      broken_total: 5,
      unsure: [],
      skipped: [],
      truncated_code: null,
    })
    expect(report.slowest).toHaveLength(10)
    for (const never of ['/never-followed', '/not-followed.html']) {
      expect([...elsewhere.requests, ...site.requests].join()).not.toContain(never)
    }
    expect(site.requests.filter((line) => line === 'GET /docs/a.html')).toHaveLength(1)
    expect(elsewhere.requests).toContain('HEAD /fine.html')
  })

  it('progress is reported step by step, never lower than before, with what was found', async () => {
    const site = await serve({
      '/': links('/a.html', '/b.html'),
      '/a.html': links('/missing.html?session=secret', '/c.html'),
      '/b.html': links('/d.html', '/e.html'),
      '/c.html': '',
      '/d.html': '',
      '/e.html': '',
    })
    const request = botRequest()
    await check(`${site.origin}/`, { reportEveryMs: 0 }, request)

    const { reports } = request
    const numbers = reports.map(({ progress }) => progress)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(numbers.every((n) => Number.isInteger(n) && n > 0 && n < 100)).toBe(true)
    expect([...new Set(reports.map(({ step }) => step))]).toEqual(definition.steps.map(({ id }) => id))
    expect(reports.at(-1)).toEqual({
      progress: 97,
      step: 'summarizing',
      message: '6 pages read, 1 broken link found',
    })
    expect(reports.map(({ message }) => message).join('\n')).toMatch(
      /\d of \d pages read[\s\S]*1 broken link so far, the latest:\n\/missing\.html/,
    )
    expect(JSON.stringify(reports)).not.toContain('secret')
  })

  it('a running check says in three lines that fit on a phone what it counts and what it sees', async () => {
    const long = `/${'folder/'.repeat(20)}missing.html`
    const site = await serve({ '/': links('/a.html', long, 'http://[::bad?session=secret'), '/a.html': '' })
    const request = botRequest()
    await check(`${site.origin}/`, { reportEveryMs: 0 }, request)
    const running = request.reports
      .filter(({ step }) => step === 'crawling')
      .map(({ message }) => (message ?? '').split('\n'))
      .slice(1)
    expect(running.every((lines) => lines.length === 3 && lines.every((line) => line.length <= 35))).toBe(
      true,
    )
  })

  it('an address is shown in its own letters, a long one by its host and its end, and none with its query', () => {
    const { show } = createSite('https://docs.example.com/guide/')
    expect(show('https://docs.example.com/guide/?a=secret')).toBe('/guide/')
    expect(show(`https://docs.example.com/${'folder/'.repeat(20)}a.html?a=secret`)).toBe(
      '/…older/folder/folder/a.html',
    )
    expect(show('https://status.example.org/api/v2/status/summary')).toBe('status.example.org/…/summary')
    expect(show(`https://${'a'.repeat(60)}.org/b`)).toBe(`${'a'.repeat(19)}…aa.org/b`)
    expect(show('http://[::bad?a=secret')).toBe('http://[::bad')
    expect(show('https://docs.example.com/راهنما/')).toBe('/راهنما/')
  })

  it('a site with endless pages is read up to the page limit, which the report states', async () => {
    const site = await serve((req, res) => {
      const n = Number(req.url?.slice(2)) || 0
      html(res, links(`/p${2 * n + 1}`, `/p${2 * n + 2}`))
    })
    const report = await check(`${site.origin}/`, { pages: 50 })
    expect(report).toMatchObject({ pages_checked: 50, broken: [], truncated_code: 'page_limit' })
    expect(site.requests.filter((line) => line.startsWith('GET'))).toHaveLength(50)
  })

  it('a site with more links than the limit is reported as truncated, one with exactly the limit is not', async () => {
    const site = await serve({ '/docs/': links(...Array.from({ length: 30 }, (_, i) => `/outside/${i}`)) })
    const report = await check(`${site.origin}/docs/`, { links: 10 })
    expect(report).toMatchObject({
      broken_total: 10,
      links_checked: 11,
      links_not_checked: 20,
      truncated_code: 'link_limit',
    })
  })

  it('the report of a thousand long broken addresses fits into a record', async () => {
    const site = await serve({
      '/docs/': links(...Array.from({ length: 1000 }, (_, i) => `/${i}/${'x'.repeat(900)}`)),
    })
    const report = await check(`${site.origin}/docs/`)
    expect(report.broken_total).toBe(1000)
    expect(report.broken.length).toBeGreaterThan(100)
    expect(report.broken.every(({ url }) => url.length === 500)).toBe(true)
    expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(210_000)
  })

  it('a site whose start page redirects is read at the new address', async () => {
    const site = await serve({ '/new/home.html': links('a.html'), '/new/a.html': '' })
    const old = await serve({ '/': redirect(`${site.origin}/new/home.html`) })
    const report = await check(`${old.origin}/`)
    expect(report).toMatchObject({ start_url: `${old.origin}/`, pages_checked: 2, redirected_total: 1 })
    expect(report.redirected[0]).toMatchObject({ to: `${site.origin}/new/home.html`, found_on: null })
  })
})

describe('link check: a link', () => {
  it('every failure has words in both languages', () => {
    const words: Map<string, object> = new Map(LINK_REASONS.map(({ value, label }) => [value, label]))
    for (const code of Object.keys(FAILURES))
      expect(words.get(code), code).toEqual({ en: expect.any(String), fa: expect.any(String) })
  })

  it('a link is checked by GET where HEAD fails', async () => {
    const deaf =
      (status: number): RequestListener =>
      (req, res) =>
        req.method === 'HEAD' ? void res.writeHead(status).end() : html(res, 'fine')
    const hangsUp: RequestListener = (req, res) =>
      req.method === 'HEAD' ? void res.destroy() : html(res, 'fine')
    const other = await serve({
      '/403': deaf(403),
      '/404': deaf(404),
      '/405': deaf(405),
      '/501': deaf(501),
      '/hangs-up': hangsUp,
    })
    const site = await serve({
      '/': links(...['/403', '/404', '/405', '/501', '/hangs-up'].map((path) => other.origin + path)),
    })
    expect(await check(`${site.origin}/`)).toMatchObject({ links_checked: 6, broken: [], unsure: [] })
  })

  it('a link to a server that refuses programs is unsure, not broken', async () => {
    const answer =
      (status: number): RequestListener =>
      (_req, res) =>
        void res.writeHead(status).end()
    const site = await serve({
      '/': links('/401', '/403', '/429'),
      '/401': answer(401),
      '/403': answer(403),
      '/429': answer(429),
    })
    const report = await check(`${site.origin}/`)
    expect(report.unsure.map(({ status, code }) => [status, code])).toEqual([
      [401, 'http_401'],
      [403, 'http_403'],
      [429, 'http_429'],
    ])
    expect(report.broken).toEqual([])
  })

  it('a link that fails once is fine, one that fails twice is broken', async () => {
    const tries = new Map<string, number>()
    const failsFirst =
      (times: number): RequestListener =>
      (req, res) => {
        const tried = (tries.get(req.url as string) ?? 0) + 1
        tries.set(req.url as string, tried)
        if (tried > times) html(res, '')
        else if (req.url?.includes('reset')) res.destroy()
        else res.writeHead(503).end()
      }
    const site = await serve({
      '/': links('/once', '/always', '/reset-once', '/reset-always'),
      '/once': failsFirst(1),
      '/reset-once': failsFirst(1),
      '/always': failsFirst(9),
      '/reset-always': failsFirst(9),
    })
    const report = await check(`${site.origin}/`)
    expect(report.broken.map(({ url, code }) => [new URL(url).pathname, code])).toEqual([
      ['/always', 'http_503'],
      ['/reset-always', 'connection_lost'],
    ])
    expect(Object.fromEntries(tries)).toEqual({
      '/once': 2,
      '/always': 2,
      '/reset-once': 2,
      '/reset-always': 2,
    })
  })

  it('a link that redirects in a circle, endlessly or to an invalid address is broken', async () => {
    const site = await serve((req, res) => {
      const hop = Number(/^\/hop(\d+)/.exec(req.url ?? '')?.[1])
      if (req.url === '/') html(res, links('/a', '/hop0', '/nowhere', '/app'))
      else if (req.url === '/a') redirect('/b', 302)(req, res)
      else if (req.url === '/b') redirect('/a', 302)(req, res)
      else if (req.url === '/nowhere') redirect('http://')(req, res)
      else if (req.url === '/app') redirect('itms-apps://store')(req, res)
      else redirect(`/hop${hop + 1}`)(req, res)
    })
    const report = await check(`${site.origin}/`)
    expect(report.broken.map(({ url, code }) => [new URL(url).pathname, code])).toEqual([
      ['/a', 'redirect_loop'],
      ['/hop0', 'too_many_redirects'],
      ['/nowhere', 'bad_redirect'],
    ])
    expect(report.skipped).toEqual([{ url: `${site.origin}/app`, code: 'not_http' }])
    expect(site.requests.filter((line) => line.includes('/hop'))).toHaveLength(11)
  })

  it('a link to a server that hangs, refuses or speaks no HTTP is broken, and delays no other link', async () => {
    const silent = await serve(() => {})
    const invalidHttp = createTcpServer((socket) => socket.on('error', () => {}).end('SSH-2.0-nonsense\r\n'))
    await new Promise<void>((resolve) => invalidHttp.listen(0, '127.0.0.1', resolve))
    const at = (server: { address(): unknown }): string =>
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const talker = at(invalidHttp)
    open.push(invalidHttp)
    const closed = createTcpServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const refusing = at(closed)
    await new Promise((resolve) => closed.close(resolve))

    const site = await serve({
      '/': links(
        ...Array.from({ length: 6 }, (_, i) => `${silent.origin}/${i}`),
        refusing,
        talker,
        '/a.html',
      ),
      '/a.html': '',
    })
    const report = await check(`${site.origin}/`, { requestMs: 150 })
    const codes = Object.fromEntries(report.broken.map(({ url, code, status }) => [url, `${code} ${status}`]))
    expect(codes).toMatchObject({
      [refusing]: 'connection_refused null',
      [talker]: 'bad_answer null',
      [`${silent.origin}/0`]: 'timed_out null',
    })
    expect(report).toMatchObject({ broken_total: 8, pages_checked: 2, truncated_code: null })
    expect(site.requests.indexOf('GET /a.html')).toBe(1)
  })
})

describe('link check: a page', () => {
  it('a page of 10 MB is read up to the limit, which the report states', async () => {
    let sent = 0
    const site = await serve({
      '/': links('/big.html'),
      '/big.html': (_req, res) => {
        res.writeHead(200, { 'content-type': 'text/html' })
        res.write(links('/early.html'))
        const pump = (): void => {
          while (sent < 10_000_000 && !res.destroyed) {
            sent += 65_536
            if (!res.write(' '.repeat(65_536))) return void res.once('drain', pump)
          }
          res.end(links('/late.html'))
        }
        pump()
      },
      '/early.html': '',
    })
    const report = await check(`${site.origin}/`)
    expect(report).toMatchObject({ pages_checked: 3, broken: [] })
    expect(report.skipped).toEqual([{ url: `${site.origin}/big.html`, code: 'page_cut' }])
    expect(sent).toBeLessThan(10_000_000)
  })

  it('a page with an unknown charset is read, and a known charset is applied', async () => {
    const latin1 = Buffer.from('<a href="/caf\u00e9.html">x</a>', 'latin1')
    const site = await serve({
      '/': links('/bogus.html', '/header.html', '/meta.html'),
      '/bogus.html': (_req, res) => html(res, '<a href="/سلام.html">x</a>', 'text/html; charset=bogus-9'),
      '/header.html': (_req, res) => html(res, latin1, 'text/html; charset=ISO-8859-1'),
      '/meta.html': (_req, res) =>
        html(res, Buffer.concat([Buffer.from('<meta charset=windows-1252>'), latin1]), 'text/html'),
      [new URL('http://x/سلام.html').pathname]: '',
      '/caf%C3%A9.html': '',
    })
    expect(await check(`${site.origin}/`)).toMatchObject({ pages_checked: 6, broken: [] })
  })

  it('links are resolved against the base address of the page', async () => {
    const site = await serve({ '/': '<base href="/sub/">\n<a href="a.html">x</a>', '/sub/a.html': '' })
    expect(await check(`${site.origin}/`)).toMatchObject({ pages_checked: 2, broken: [] })
  })

  it('a page address that answers with a file is checked and not read', async () => {
    const site = await serve({
      '/': links('/paper.pdf'),
      '/paper.pdf': (_req, res) => html(res, links('/x'), 'application/pdf'),
    })
    expect(await check(`${site.origin}/`)).toMatchObject({ pages_checked: 1, links_checked: 2, broken: [] })
  })

  it('a page with extreme nesting is read to its end', () => {
    const found = extractLinks(Buffer.from(`<a href=/first>${'<div>'.repeat(400_000)}<a href=/last>`), {
      url: 'http://x/',
    })
    expect(found.map(({ url }) => url)).toEqual(['http://x/first', 'http://x/last'])
  })

  it('extractLinks never throws', () => {
    const attribute = fc.constantFrom('href', 'src', 'srcset', 'rel', 'data', 'constructor', '__proto__')
    const element = fc.constantFrom(
      'a',
      'base',
      'img',
      'link',
      'source',
      'constructor',
      '__proto__',
      'script',
      'x',
    )
    const tag = fc
      .tuple(
        element,
        attribute,
        fc.oneof(fc.string(), fc.webUrl(), fc.constantFrom('http://', '//', 'a,, b 2x')),
      )
      .map(([name, key, value]) => `<${name} ${key}="${value}">`)
    const soup = fc
      .array(fc.oneof(tag, fc.string({ unit: 'binary' })))
      .map((parts) => Buffer.from(parts.join('')))
    const bytes = fc.uint8Array().map((array) => Buffer.from(array))
    fc.assert(
      fc.property(fc.oneof(soup, bytes), fc.option(fc.string(), { nil: undefined }), (page, charset) => {
        for (const { url, valid } of extractLinks(page, { url: 'http://example.com/a/', charset })) {
          if (valid) expect(new URL(url)).toMatchObject({ hash: '', username: '', password: '', href: url })
        }
      }),
    )
  })
})

describe('link check: addresses in a page', () => {
  const found = (body: string): string[] =>
    extractLinks(Buffer.from(body), { url: 'http://x/d/' }).map(({ url }) => url)

  it('extractLinks finds srcset addresses with and without descriptors, including commas inside them', () => {
    expect(found('<img srcset="a.png, b.png 2x,c,d.png 3x , e.png,">')).toEqual(
      ['a.png', 'b.png', 'c,d.png', 'e.png'].map((name) => `http://x/d/${name}`),
    )
  })

  it('extractLinks ignores preconnect and dns-prefetch hints', () => {
    expect(
      found('<link rel="preconnect" href="//fonts.example"><link rel="dns-prefetch" href="//cdn.example">'),
    ).toEqual([])
  })

  it('extractLinks removes fragments and passwords, and returns each address once', () => {
    expect(found(links('http://me:pw@y/#a', 'http://y/#b', 'HTTP://Y:80/'))).toEqual(['http://y/'])
  })
})

describe('link check: the start page', () => {
  it.each(['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]'])(
    'a start page at %s is refused unless private addresses are allowed',
    async (host) => {
      const site = await serve({ '/': '' })
      const url = `http://${host}:${new URL(site.origin).port}/`
      const { handle } = createService({
        linkCheck: { ...FREE, allowPrivate: false, ports: [Number(new URL(site.origin).port)] },
      })
      await expect(handle({ url }, botRequest())).rejects.toMatchObject({
        code: 'address_not_allowed',
        retryable: false,
      })
      expect(site.requests).toEqual([])
    },
  )

  it.each([
    undefined,
    '',
    'no address',
    'ftp://example.com/',
    'file:///etc/passwd',
    'http://me:secret@example.com/',
  ])('the start address %j is refused as invalid', async (url) => {
    const handle = createLinkCheck(FREE)
    await expect(handle({ url } as { url: string }, botRequest())).rejects.toMatchObject({
      code: 'invalid_url',
      retryable: false,
    })
  })

  it('a start page that answers 404 is a final failure, with 503 a retryable one', async () => {
    const site = await serve({
      '/503': (_req, res) => void res.writeHead(503).end(),
      '/loop': redirect('/loop'),
    })
    await expect(check(`${site.origin}/404`)).rejects.toMatchObject({
      code: 'start_page_failed',
      retryable: false,
      message: /404 Not Found/,
    })
    await expect(check(`${site.origin}/503`)).rejects.toMatchObject({
      code: 'start_page_failed',
      retryable: true,
    })
    await expect(check(`${site.origin}/loop`)).rejects.toMatchObject({
      code: 'start_page_failed',
      retryable: false,
    })
    expect(site.requests.filter((line) => line === 'GET /503')).toHaveLength(2)
  })

  it('an unreachable start page is a retryable failure', async () => {
    const silent = await serve(() => {})
    await expect(check(silent.origin, { requestMs: 50 })).rejects.toMatchObject({
      code: 'site_unreachable',
      retryable: true,
    })
    const resolve = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
    const handle = createLinkCheck({
      ...FREE,
      allowPrivate: false,
      ports: [80],
      connect: connectPublicOnly({ resolve }),
    })
    await expect(handle({ url: 'http://nobody.example/' }, botRequest())).rejects.toMatchObject({
      code: 'site_unreachable',
      retryable: true,
      message: 'The site could not be reached: there is no such server name.',
    })
  })

  it('a start page that is no HTML fails the run', async () => {
    const site = await serve({ '/a.png': (_req, res) => html(res, 'png', 'image/png') })
    await expect(check(`${site.origin}/a.png`)).rejects.toMatchObject({ code: 'not_html', retryable: false })
  })
})

describe('link check: a run', () => {
  it('an aborted run rejects immediately with the reason and sends no further request', async () => {
    const allStarted = { resolve: (): void => {} }
    const underway = new Promise<void>((resolve) => {
      allStarted.resolve = resolve
    })
    let waiting = 0
    let hungUp = 0
    const site = await serve((req, res) => {
      if (req.url === '/') return html(res, links(...Array.from({ length: 100 }, (_, i) => `/${i}.html`)))
      res.on('close', () => hungUp++)
      if (++waiting === 8) allStarted.resolve()
    })
    const abort = new AbortController()
    const reason = new Error('cancelled by the person')
    const request = botRequest(abort.signal)
    const run = check(`${site.origin}/`, {}, request).catch((error: unknown) => error)
    await underway
    abort.abort(reason)
    expect(await run).toBe(reason)
    await expect.poll(() => hungUp).toBe(8)
    expect(site.requests).toHaveLength(9)
    expect(request.reports.length).toBeLessThan(5)
  })

  it('a run that is aborted before its start sends no request', async () => {
    const site = await serve({ '/': '' })
    await expect(check(`${site.origin}/`, {}, botRequest(AbortSignal.abort('over')))).rejects.toBe('over')
    expect(site.requests).toEqual([])
  })

  it('a run whose progress update is refused rejects with that error', async () => {
    const site = await serve((_req, res) => html(res, links(`/${Math.random()}`, `/${Math.random()}`)))
    const refusal = new Error('already_final')
    let written = 0
    const request = {
      ...botRequest(),
      updateProgress: async () => (++written > 2 ? Promise.reject(refusal) : undefined),
    }
    await expect(check(`${site.origin}/`, { reportEveryMs: 0 }, request)).rejects.toBe(refusal)
    expect(site.requests.length).toBeLessThan(500)
  })

  it('a run that exceeds its time limit reports what it has', async () => {
    const site = await serve({
      '/': links('/a.html', '/missing', '/hangs'),
      '/a.html': '',
      '/hangs': () => {},
    })
    const report = await check(`${site.origin}/`, { totalMs: 300 })
    expect(report).toMatchObject({
      pages_checked: 2,
      broken_total: 1,
      links_not_checked: 1,
      truncated_code: 'time_limit',
    })
  })

  it('a run throttles its progress updates and leaves no timer and no connection open', async () => {
    const site = await serve((req, res) =>
      html(res, req.url === '/' ? links(...Array.from({ length: 60 }, (_, i) => `/${i}`)) : ''),
    )
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const request = botRequest()
    const startedAt = performance.now()
    await check(`${site.origin}/`, {}, request)
    expect(timers()).toBeLessThanOrEqual(before)
    // Besides the throttled ones each of the three steps is written when it starts.
    expect(request.reports.length).toBeLessThanOrEqual(3 + 1 + (performance.now() - startedAt) / 200)
    await expect.poll(site.connections).toBe(0)
  })
})

describe('link check: private addresses', () => {
  // 127.0.0.1 stands for the public internet, and 127.0.0.2 for the private network.
  const isAllowed = (address: string): boolean => address === '127.0.0.1'

  const checkAsPublic = async (url: string, resolve?: Resolve): Promise<Report> => {
    const handle = createLinkCheck({
      ...FREE,
      allowPrivate: false,
      ports: [80, 8080, Number(new URL(url).port)],
      connect: connectPublicOnly({ resolve, isAllowed }),
    })
    return (await handle({ url }, botRequest())) as Report
  }

  it('a link or redirect to a private address is skipped, not broken', async () => {
    const inside = 'http://127.0.0.2:8080/admin?token=x'
    const site = await serve({
      '/': links(inside, '/redirects', '/a.html'),
      '/redirects': redirect(inside),
      '/a.html': '',
    })
    const report = await checkAsPublic(`${site.origin}/`)
    expect(report).toMatchObject({ pages_checked: 2, broken: [], unsure: [], skipped_total: 2 })
    expect(report.skipped.map(({ url }) => url).sort()).toEqual([`${site.origin}/redirects`, inside])
    expect(new Set(report.skipped.map(({ code }) => code))).toEqual(new Set(['private_address']))
  })

  it('a start page that redirects to a private address fails the run', async () => {
    const site = await serve({
      '/': redirect('/next', 302),
      '/next': redirect('http://127.0.0.2/latest/meta-data/'),
    })
    await expect(checkAsPublic(`${site.origin}/`)).rejects.toMatchObject({
      code: 'address_not_allowed',
      retryable: false,
      message: expect.stringContaining('redirects into a private network'),
    })
  })

  it('a name that resolves to a private address during the run is not connected to', async () => {
    let lookups = 0
    const resolve: Resolve = async () => [{ address: lookups++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
    const site = await serve((req, res) => {
      res.setHeader('connection', 'close')
      html(res, req.url === '/' ? links('/secret.html') : 'secret')
    })
    const report = await checkAsPublic(`http://rebinding.example:${new URL(site.origin).port}/`, resolve)
    expect(report).toMatchObject({ pages_checked: 1, skipped_total: 1 })
    expect(site.requests).toEqual(['GET /'])
  })

  it('a server name that cannot be resolved is looked up once, however many links contain it', async () => {
    const looked: string[] = []
    const resolve: Resolve = async (name) => {
      looked.push(name)
      throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    }
    const site = await serve({
      '/': links(...Array.from({ length: 50 }, (_, i) => `http://gone.example/${i}`)),
    })
    const report = await checkAsPublic(`${site.origin}/`, resolve)
    expect(report.broken_total).toBe(50)
    expect(looked.length).toBeLessThanOrEqual(2)
  })
})

describe('link check: what it spares', () => {
  const robots =
    (body: string, status = 200): RequestListener =>
    (_req, res) =>
      void res.writeHead(status, { 'content-type': 'text/plain' }).end(body)
  const checkPolitely = async (url: string, options: Partial<Parameters<typeof createLinkCheck>[0]> = {}) =>
    (await createLinkCheck({ ...FREE, respectRobots: true, ...options })({ url }, botRequest())) as Report

  it('what robots.txt excludes is skipped, on the site and elsewhere, and each robots.txt is read once', async () => {
    const elsewhere = await serve({
      '/robots.txt': robots('User-agent: *\nDisallow: /no'),
      '/no': '',
      '/yes': '',
    })
    const site = await serve({
      '/robots.txt': robots(
        'User-agent: *\nDisallow: /private/\n\nUser-agent: HalfwayLinkCheck\nDisallow: /ours/',
      ),
      '/': links('/private/', '/ours/', '/moved', `${elsewhere.origin}/no`, `${elsewhere.origin}/yes`),
      '/private/': '',
      '/moved': redirect('/ours/b'),
    })
    const report = await checkPolitely(`${site.origin}/`)
    expect(report).toMatchObject({ broken: [], pages_checked: 2, skipped_total: 3 })
    expect(report.skipped.map(({ url, code }) => [url, code]).sort()).toEqual(
      [`${site.origin}/moved`, `${site.origin}/ours/`, `${elsewhere.origin}/no`]
        .sort()
        .map((url) => [url, 'robots_denied']),
    )
    const asked = [...site.requests, ...elsewhere.requests]
    expect(asked.filter((line) => line === 'GET /robots.txt')).toHaveLength(2)
    expect(asked.join()).not.toMatch(/ours|\/no/)
  })

  it('a site whose robots.txt fails is not read, one without it is', async () => {
    const failing = await serve({ '/robots.txt': robots('', 503), '/': '' })
    await expect(checkPolitely(`${failing.origin}/`)).rejects.toMatchObject({ code: 'address_not_allowed' })
    expect(failing.requests).toEqual(['GET /robots.txt'])
    const without = await serve({ '/': '' })
    expect(await checkPolitely(`${without.origin}/`)).toMatchObject({ pages_checked: 1 })
  })

  it('a port that is not allowed is not called, not by a redirect either', async () => {
    const inside = await serve({ '/': '' })
    const site = await serve({ '/': links(`${inside.origin}/`, '/moved'), '/moved': redirect(inside.origin) })
    const options = {
      allowPrivate: false,
      ports: [Number(new URL(site.origin).port)],
      connect: connectPublicOnly({ isAllowed: () => true }),
    }
    const report = await checkPolitely(`${site.origin}/`, options)
    expect(report.skipped.map(({ code }) => code)).toEqual(['port_not_allowed', 'port_not_allowed'])
    await expect(checkPolitely(`${inside.origin}/`, options)).rejects.toMatchObject({
      code: 'address_not_allowed',
    })
    expect(inside.requests).toEqual([])
  })

  it('a second run of one site waits for the first, says so, and other sites do not', async () => {
    let answer = (): void => {}
    const site = await serve((_req, res) => {
      answer = () => html(res, '')
    })
    const other = await serve({ '/': '' })
    const handle = createLinkCheck(FREE)
    const first = handle({ url: `${site.origin}/` }, botRequest())
    await expect.poll(() => site.requests).toEqual(['GET /'])
    const waiting = botRequest()
    const second = handle({ url: `${site.origin}/#again` }, waiting)
    const cancelled = new AbortController()
    const third = handle({ url: `${site.origin}/` }, botRequest(cancelled.signal))
    expect(await handle({ url: `${other.origin}/` }, botRequest())).toMatchObject({ pages_checked: 1 })
    cancelled.abort('cancelled')
    await expect(third).rejects.toBe('cancelled')
    expect(waiting.reports.map(({ message }) => message)).toEqual([
      `Another check of ${new URL(site.origin).host} is running; this one starts after it`,
    ])
    expect(site.requests).toEqual(['GET /'])
    answer()
    await first
    await expect.poll(() => site.requests).toEqual(['GET /', 'GET /'])
    answer()
    expect(await second).toMatchObject({ pages_checked: 1 })
  })

  it('a run that waits too long for another one of its site fails and may be repeated', async () => {
    const site = await serve({ '/': () => {} })
    const handle = createLinkCheck({ ...FREE, limits: { waitMs: 50 } })
    const end = new AbortController()
    const first = handle({ url: `${site.origin}/` }, botRequest(end.signal)).catch(() => {})
    await expect(handle({ url: `${site.origin}/` }, botRequest())).rejects.toMatchObject({
      code: 'site_busy',
      retryable: true,
    })
    end.abort()
    await first
  })

  it('requests to one host keep their distance, over all runs', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { signal } = new AbortController()
    const pace = createSitePace({ requestsPerSecond: 5 })
    const sent: string[] = []
    for (const host of ['a', 'a', 'b', 'a']) void pace.request(host, signal).then(() => sent.push(host))
    await vi.advanceTimersByTimeAsync(0)
    expect(sent).toEqual(['a', 'b'])
    await vi.advanceTimersByTimeAsync(200)
    expect(sent).toEqual(['a', 'b', 'a'])
    await vi.advanceTimersByTimeAsync(200)
    expect(sent).toEqual(['a', 'b', 'a', 'a'])
  })
})
