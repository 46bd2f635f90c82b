/**
 * `npm run screenshots`: takes the pictures of the README. Starts Halfway with the bot of the tests, completes a request in
 * each language, and writes docs/screenshots/{page}-{language}.png. Films one more request, docs/screenshots/request.gif, for
 * which ffmpeg must be installed. Draws the logo of the installed site, public/icons/*.png.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { BUILT_IN } from '../core/i18n/index.ts'
import { openRedis } from '../core/redis/connect.ts'
import { loadConfig } from '../core/runtime/config.ts'
import { createRunTimes } from '../core/store/run-times.ts'
import { launchChromium } from './helpers/chromium.ts'
import { startHalfway } from './helpers/halfway.ts'
import { quiet } from './helpers/redis.ts'
import { creditScoreRating } from './helpers/services.ts'

const FOLDER = join(import.meta.dirname, '../docs/screenshots')
const ICONS = join(import.meta.dirname, '../public/icons')
const SIZE = { width: 640, height: 800 }
const MOBILE = '09123456789'
const NATIONAL_CODE = '0012345679'

mkdirSync(FOLDER, { recursive: true })
const halfway = await startHalfway(
  { TEST_BOT_STEP_MS: '1000', LOG_LEVEL: 'warn' },
  { preload: ['--import', 'tsx'] },
)
await learn()
const browser = await launchChromium()
try {
  await drawIcons(browser)
  for (const locale of Object.keys(BUILT_IN)) {
    const context = await browser.newContext({ locale, viewport: SIZE, deviceScaleFactor: 2 })
    await takeScreenshots(await context.newPage(), (name) => join(FOLDER, `${name}-${locale}.png`))
    await context.close()
  }
  await film(browser)
} finally {
  await browser.close()
  await halfway.stop()
}

/** Past runs, so that the pages say when a request will be ready. Its server reads them at most every 15 s. */
async function learn(): Promise<void> {
  const { redis, connections } = loadConfig({ REDIS_URL: halfway.redis.url })
  const opened = await openRedis(redis, quiet, connections)
  const runTimes = createRunTimes({ redis: await opened.connect('patient') })
  for (let seconds = 4; seconds < 8; seconds += 0.2) {
    const at = (second: number): string => new Date(second * 1000).toISOString()
    const starts = creditScoreRating.steps.map(({ id }, i, { length }) => ({
      id, state: 'done', started_at: at((seconds * i) / length), finished_at: null,
    } as const)) // biome-ignore format: a table
    const run = { attempt: 1, started_at: at(0), completed_at: at(seconds), steps: starts }
    await runTimes.add(creditScoreRating, run, undefined)
  }
  await opened.stop()
  await sleep(16_000)
  await fetch(halfway.url)
  await sleep(500)
}

async function takeScreenshots(page: Page, pathFor: (name: string) => string): Promise<void> {
  const shoot = async (name: string): Promise<void> => {
    await page.evaluate(() => document.fonts.ready)
    await page.screenshot({ path: pathFor(name), animations: 'disabled' })
  }
  await page.goto(`${halfway.url}/services/credit-score-rating`)
  await page.fill('[name=mobile]', MOBILE)
  await page.fill('[name=national_code]', NATIONAL_CODE)
  await shoot('form')
  await page.click('main form [type=submit]')
  await page.locator('[data-step=captcha_solving][data-state=current]').waitFor()
  await shoot('progress')
  await page.locator('[name=otp]').waitFor()
  await page.fill('[name=otp]', await halfway.codeSentTo(MOBILE))
  await shoot('code')
  await page.click('form:has([name=otp]) [type=submit]')
  await page.locator('.outcome').waitFor()
  await shoot('result')
}

/** A whole request, from the form to the result, in the time that it takes. */
async function film(browser: Browser): Promise<void> {
  const page = await browser.newPage({ locale: 'en', viewport: { width: 640, height: 800 } })
  await page.goto(`${halfway.url}/services/credit-score-rating`)
  await page.evaluate(() => document.fonts.ready)
  const stop = await record(page)
  await sleep(800)
  await page.locator('[name=mobile]').pressSequentially(MOBILE, { delay: 40 })
  await page.locator('[name=national_code]').pressSequentially(NATIONAL_CODE, { delay: 40 })
  await sleep(400)
  await page.click('main form [type=submit]')
  const code = page.locator('[name=otp]')
  await code.waitFor()
  await sleep(1200)
  await code.pressSequentially(await halfway.codeSentTo(MOBILE), { delay: 120 })
  await sleep(400)
  await page.click('form:has([name=otp]) [type=submit]')
  await page.locator('.outcome').waitFor()
  await sleep(3000)
  await stop(join(FOLDER, 'request.gif'))
  await page.close()
}

/** @returns stops the recording and writes it to a file */
async function record(page: Page): Promise<(path: string) => Promise<void>> {
  const devtools = await page.context().newCDPSession(page)
  const frames: { data: string; at: number }[] = []
  devtools.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    frames.push({ data, at: metadata.timestamp ?? Date.now() / 1000 })
    void devtools.send('Page.screencastFrameAck', { sessionId }).catch(() => {})
  })
  await devtools.send('Page.startScreencast', { format: 'png' })
  return async (path) => {
    await devtools.send('Page.stopScreencast')
    const folder = mkdtempSync(join(tmpdir(), 'halfway-film-'))
    const lines = frames.map(({ data, at }, i) => {
      writeFileSync(join(folder, `${i}.png`), data, 'base64')
      const seconds = (frames[i + 1]?.at ?? at + 3) - at
      return `file ${i}.png\nduration ${seconds.toFixed(3)}\n`
    })
    // The duration of the last one counts only if another follows.
    writeFileSync(join(folder, 'frames.txt'), `${lines.join('')}file ${frames.length - 1}.png\n`)
    const filter =
      'fps=10,split[a][b];[a]palettegen=max_colors=96:stats_mode=diff[p];[b][p]paletteuse=dither=none'
    execFileSync(
      'ffmpeg',
      ['-y', '-v', 'error', '-f', 'concat', '-i', 'frames.txt', '-vf', filter, '-loop', '0', path],
      { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] },
    )
    rmSync(folder, { recursive: true })
  }
}

/** A launcher may cut a maskable icon to a circle of 80 % of its width, and it has no transparent parts. */
async function drawIcons(browser: Browser): Promise<void> {
  const logo = readFileSync(join(import.meta.dirname, '../public/dist/icon.svg'), 'utf8')
  for (const [name, size, scale, ground] of [
    ['icon-192', 192, 1, 'transparent'],
    ['icon-512', 512, 1, 'transparent'],
    ['icon-maskable-512', 512, 0.6, '#fff'],
  ] as const) {
    const page = await browser.newPage({ viewport: { width: size, height: size } })
    await page.setContent(
      `<style>body { margin: 0; background: ${ground} } svg { display: block; scale: ${scale} }</style>${logo}`,
    )
    await page.screenshot({ path: join(ICONS, `${name}.png`), omitBackground: true })
    await page.close()
  }
}
