/**
 * `npm run gallery -- FOLDER [part of a name …]`: takes pictures of every page in every state, which are to be looked at
 * before a page is called done: FOLDER/{state}/{language}-{scheme}-{width}.png. The requests are real records with the
 * times of real requests (states.ts), and the pages are those of a real server.
 */
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { createCatalog } from '../../../../core/catalog/catalog.ts'
import { BUILT_IN } from '../../../../core/i18n/index.ts'
import { createControlStore } from '../../../../core/store/operator-controls.ts'
import { createRequestStore } from '../../../../core/store/request-store.ts'
import { createRunTimes } from '../../../../core/store/run-times.ts'
import { createSessionRequests } from '../../../../core/store/session-requests.ts'
import { ALL_FIELDS } from '../../../../test/helpers/all-fields.ts'
import { launchChromium } from '../../../../test/helpers/chromium.ts'
import { cleanAll } from '../../../../test/helpers/clean-up.ts'
import { aHash, aRecord } from '../../../../test/helpers/record.ts'
import { useRedis } from '../../../../test/helpers/redis.ts'
import { useServer } from '../../../../test/helpers/server.ts'
import {
  CREDIT,
  type GivenRequest,
  LINKS,
  type Past,
  PROVIDERS,
  REQUESTS,
  STATEMENT,
  serviceOf,
} from './states.ts'

const ASSETS = join(import.meta.dirname, '../../../../public/dist')
const WIDTHS = [360, 768, 1280]
/** A4. */
const PRINTED_WIDTHS = [794]
const SCHEMES = ['light', 'dark'] as const
const TTL_SECONDS = 1800
/** How long the steps of a service take, beside each other. In a step that waits for a code nothing else is done. */
const WEIGHTS: Readonly<Record<string, number[]>> = { [LINKS.slug]: [2, 60, 1], [PROVIDERS.slug]: [8, 1] }
const OTHER_WEIGHTS = [3, 5, 2, 2, 4, 6]
const SESSION = 'a-visitor-of-a-gallery'.slice(0, 21)

/** The page of a picture, and an action on it before the picture is taken. */
interface Shown {
  path: string
  act?(page: Page): Promise<unknown>
  withoutScript?: boolean
  isPrinted?: boolean
  isOffline?: boolean
  /** As seen by who has no session: another person. */
  byOther?: boolean
}
/** Creates what it shows; called for each language. */
type State = (locale: string) => Promise<Shown>

const [folder, ...parts] = process.argv.slice(2)
if (!folder) throw new Error('Usage: npm run gallery -- FOLDER [part of a name …]')
const redis = await useRedis()
const services = [CREDIT, LINKS, PROVIDERS, STATEMENT]
const client = await redis.connections.connect('patient')
const runTimes = createRunTimes({ redis: client })
// Before the server reads them.
await learn()
let elementHash = ''
const embedder = await startEmbedder()
const server = await useServer(redis, {
  assets: ASSETS,
  services: createCatalog(services),
  settings: {
    ALLOWED_ORIGINS: embedder.origin,
    SUBMITS_PER_MINUTE: '100000',
    KEEP_LONGER: 'on',
    CONTACT: 'help@example.com',
    // An address that other devices reach, so that links to them have a QR code for cameras.
    PUBLIC_URL: 'http://requests.example.com',
    ALLOWED_HOSTS: '*',
    SITE_TIME_ZONE: 'Asia/Tehran',
  },
})
const formServer = await useServer(redis, {
  assets: ASSETS,
  services: createCatalog([serviceOf(ALL_FIELDS)]),
})
const sessionRequests = createSessionRequests({ redis: client })

async function given({ service, secondsAgo, past, runAt }: GivenRequest): Promise<string> {
  const now = Date.now()
  let at = now - secondsAgo * 1000
  const store = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS, now: () => at })
  const record = aRecord({
    now: at,
    service,
    session_id: server.sessionIdOf(SESSION),
    ...(runAt && {
      run_at: runAt,
      expires_at: new Date(Date.parse(runAt) + TTL_SECONDS * 1000).toISOString(),
    }),
  })
  if (!(await store.create(record))) throw new Error('there is such a request already')
  const expected = await runTimes.expectation(service)
  for (const [ago, command] of past) {
    at = now - ago * 1000
    const result = await store.apply(
      record.hash,
      command.type === 'start'
        ? { ...command, expected }
        : command.type === 'retry'
          ? { ...command, nextRetryAt: now + command.nextRetryAt }
          : command,
    )
    if (!result.ok) throw new Error(`${command.type}: ${result.rejection}`)
  }
  if (past.length === 0) await server.queues.add(record, service)
  return record.hash
}

/** The list of requests on the home page. */
async function listOnHomePage(names: Readonly<Record<string, number>>): Promise<void> {
  for (const [name, minutesAgo] of Object.entries(names)) {
    const request = REQUESTS[name] as GivenRequest
    const hash = await given({
      ...request,
      secondsAgo: request.secondsAgo + 60 * minutesAgo,
      past: request.past.map(([ago, command]): Past => [ago + 60 * minutesAgo, command]),
    })
    const now = new Date()
    await sessionRequests.add({
      hash,
      session_id: server.sessionIdOf(SESSION),
      created_at: now.toISOString(),
      expires_at: new Date(now.getTime() + TTL_SECONDS * 1000).toISOString(),
    })
  }
}

/** Runs of the services, so that there is an arrival time. */
async function learn(): Promise<void> {
  for (const { slug, steps, usual_seconds } of services)
    for (let i = 0; i < 60; i++) {
      const total = usual_seconds * (0.85 + (i % 10) / 30)
      const startedAt = Date.now() - 3_600_000
      const iso = (share: number): string => new Date(startedAt + share * total * 1000).toISOString()
      const own = steps.filter(({ of }) => of === undefined)
      const weights = own.map(({ id }, n) =>
        id === 'waiting_otp' ? 0 : (WEIGHTS[slug] ?? OTHER_WEIGHTS)[n]!,
      )
      const sum = weights.reduce((a, b) => a + b, 0)
      const before = (n: number): number => weights.slice(0, n).reduce((a, b) => a + b, 0) / sum
      const timed = own.map((step, n) => ({
        ...step,
        started_at: iso(before(n)),
        finished_at: iso(before(n + 1)),
        state: 'done',
      }))
      const ended = { attempt: 1, started_at: iso(0), completed_at: iso(1), steps: timed }
      await runTimes.add({ slug, steps }, ended as unknown as Parameters<typeof runTimes.add>[1], undefined)
    }
}

const pageOf = ({ service }: GivenRequest, hash: string, page: string): string =>
  `/services/${service.slug}/${page}/${hash}`
const ofRequest =
  (name: string, page: string, more: Partial<Shown> = {}): State =>
  async () => {
    const request = REQUESTS[name] as GivenRequest
    return { path: pageOf(request, await given(request), page), ...more }
  }
const plain =
  (path: string, more: Partial<Shown> = {}): State =>
  async () => ({ path, ...more })
const isResult = (name: string): boolean => /^(result|failed|cancelled)/.test(name)
const submit = (page: Page) => Promise.all([page.waitForEvent('load'), page.click('main form [type=submit]')])
const FORM = `/services/${CREDIT.slug}`

const STATES: Record<string, State> = {
  home: plain('/'),
  'home-own-requests': async (locale) => {
    if (locale === 'en')
      await listOnHomePage({ failed: 25, cancelled: 12, 'result-statement': 7, code: 0, running: 0 })
    return { path: '/' }
  },
  form: plain(FORM),
  'form-mistakes': plain(FORM, {
    async act(page) {
      await page.fill('[name=mobile]', '0912')
      await submit(page)
    },
  }),
  'form-every-field': plain(`${formServer.address}/services/${ALL_FIELDS.slug}`),
  ...Object.fromEntries(
    Object.keys(REQUESTS).map((name) => [name, ofRequest(name, isResult(name) ? 'result' : 'progress')]),
  ),
  'running-offline': ofRequest('running', 'progress', { isOffline: true }),
  'running-without-script': ofRequest('running', 'progress', { withoutScript: true }),
  'code-without-script': ofRequest('code', 'otp', { withoutScript: true }),
  'code-other-device-open': ofRequest('code', 'progress', {
    act: (page) => page.click('form.device button'),
  }),
  'code-on-other-device': async () => {
    const request = REQUESTS.code as GivenRequest
    const hash = await given(request)
    return {
      path: pageOf(request, hash, 'progress'),
      async act(page) {
        await page.click('form.device button')
        const link = new URL((await page.getAttribute('#device-link', 'href')) ?? '')
        await page.goto(server.address + link.pathname)
      },
    }
  },
  'cancel-dialog': ofRequest('running', 'progress', { act: (page) => page.click('.actions [data-opens]') }),
  'cancel-page': ofRequest('running', 'cancel', { withoutScript: true }),
  'failed-details-open': ofRequest('failed', 'result', {
    act: (page) =>
      page.locator('details').evaluateAll((all) => {
        for (const one of all) one.setAttribute('open', '')
      }),
  }),
  'share-made': ofRequest('result-credit', 'result', { act: (page) => page.click('form.share button') }),
  'share-made-without-script': ofRequest('result-credit', 'result', {
    withoutScript: true,
    act: (page) => page.click('form.share button'),
  }),
  'share-ended': ofRequest('result-credit', 'result', {
    async act(page) {
      await page.click('form.share button')
      await page.click('section.share form button')
    },
  }),
  'shared-result': ofLink('result-credit', 'result'),
  'shared-running': ofLink('running', 'progress'),
  'shared-code': ofLink('code', 'progress'),
  'shared-ended': ofLink('result-credit', 'result', true),
  'delete-page': ofRequest('result-credit', 'delete', { withoutScript: true }),
  'print-statement': ofRequest('result-statement', 'result', { isPrinted: true }),
  'print-links': ofRequest('result-links', 'result', { isPrinted: true }),
  'problem-410': async () => ({
    path: pageOf(REQUESTS.code as GivenRequest, aHash(Date.now() - TTL_SECONDS * 1000), 'progress'),
  }),
  'problem-404': async () => ({ path: pageOf(REQUESTS.code as GivenRequest, aHash(), 'progress') }),
  'problem-404-page': plain('/no-such-page'),
  'element-running': ofElement('running'),
  'element-code': ofElement('code'),
  'element-result': ofElement('result-credit'),
  'queued-held': async (locale) => {
    const message = locale === 'fa' ? 'درگاه در دست تعمیر است.' : 'The portal is being repaired.'
    await createControlStore({ redis: client }).hold(CREDIT.queue.name, message)
    await server.controls.refresh()
    return ofRequest('queued', 'progress')(locale)
  },
  // The last one: it takes Redis away.
  'problem-503': async () => {
    await redis.stop()
    return { path: '/services/credit-score-rating/progress/req_00000000000000000000000000000000' }
  },
}

/** A page through a link that only shows the request. */
function ofLink(name: string, page: string, isEnded = false): State {
  return async () => {
    const request = REQUESTS[name] as GivenRequest
    const hash = await given(request)
    const links = `${server.address}/api/local-requests/${hash}/links`
    const headers = { cookie: server.sessionCookie(SESSION), origin: server.address }
    const { link } = await (await fetch(links, { method: 'POST', headers })).json()
    if (isEnded) await fetch(links, { method: 'DELETE', headers })
    return { path: pageOf(request, link, page), byOther: true }
  }
}

/** The element on a page of another site. */
function ofElement(name: string): State {
  return async () => {
    elementHash = await given(REQUESTS[name] as GivenRequest)
    return {
      path: embedder.address,
      act: (page) => page.locator('halfway-progress').getByRole('heading').first().waitFor(),
    }
  }
}

async function startEmbedder(): Promise<{ address: string; origin: string }> {
  const host = createServer((req, res) => {
    const lang = new URL(req.url ?? '/', embedder.origin).searchParams.get('lang')
    const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
      <style>:root { color-scheme: light dark } body { margin: 2rem; font: 1rem Georgia, serif }</style>
      <h1>Another site</h1><p>Text of the site that embeds the element.</p>
      <script type="module" src="${server.address}/assets/halfway-progress.js"></script>
      <halfway-progress server="${server.address}" hash="${elementHash}" lang="${lang}"></halfway-progress>`
    res.setHeader('content-type', 'text/html').end(html)
  })
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
  host.unref()
  const origin = `http://127.0.0.1:${(host.address() as { port: number }).port}`
  return { address: `${origin}/`, origin }
}

async function take(browser: Browser, name: string, state: State): Promise<void> {
  const to = join(folder as string, name)
  mkdirSync(to, { recursive: true })
  for (const locale of Object.keys(BUILT_IN)) {
    const shown = await state(locale)
    const context = await browser.newContext({
      locale,
      timezoneId: locale === 'fa' ? 'Asia/Tehran' : 'Europe/London',
      reducedMotion: 'reduce',
      javaScriptEnabled: !shown.withoutScript,
    })
    // So that the button for notifications is shown, as in browsers with a user interface.
    await context.grantPermissions(['notifications'])
    const value = server.sessionCookie(SESSION).replace(/^.*?=/, '')
    if (!shown.byOther) await context.addCookies([{ name: 'halfway_session', value, url: server.address }])
    const page = await context.newPage()
    const url = new URL(shown.path, server.address)
    if (url.origin === embedder.origin) url.searchParams.set('lang', locale)
    await page.goto(url.href)
    if (shown.isOffline) {
      await page
        .locator('[data-connection]')
        .first()
        .waitFor({ state: 'attached' })
        .catch(() => {})
      await context.setOffline(true)
      await page.waitForTimeout(4000)
    } else if (!shown.withoutScript) await page.waitForTimeout(700)
    await shown.act?.(page)
    if (shown.isPrinted) await page.emulateMedia({ media: 'print' })
    for (const scheme of shown.isPrinted ? (['light'] as const) : SCHEMES) {
      await page.emulateMedia({ colorScheme: scheme })
      for (const width of shown.isPrinted ? PRINTED_WIDTHS : WIDTHS) {
        await page.setViewportSize({ width, height: 800 })
        await page.waitForTimeout(100)
        await page.screenshot({ path: join(to, `${locale}-${scheme}-${width}.png`), fullPage: true })
      }
    }
    await context.close()
  }
}

const browser = await launchChromium({ full: true })
try {
  for (const [name, state] of Object.entries(STATES)) {
    if (parts.length > 0 && !parts.some((part) => name.includes(part))) continue
    await take(browser, name, state).catch((error: Error) =>
      process.stderr.write(`${name}: ${error.message}\n`),
    )
  }
} finally {
  await browser.close()
  await cleanAll()
}
