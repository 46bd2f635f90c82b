/** The documents, run: their services, bots, programs and commands, against one installation that has them. */
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUpdater } from '../../bots/updater.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { type Block, blocksOf, differences, documentedFiles, noteOf, ROOT } from '../docs/blocks.ts'
import {
  BOT_TOKEN,
  type Installation,
  listen,
  startDocumented,
  WITHOUT_OPEN_CALL,
} from '../docs/installation.ts'
import { useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { findExecutable } from '../helpers/executables.ts'
import { TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useFolder } from '../helpers/redis.ts'

const PYTHON = spawnSync('python3', ['--version']).status === 0
const SHELL = findExecutable('bash') !== undefined && findExecutable('curl') !== undefined

/** Another site, with the page that a test gives it. */
let page = ''
const site = createServer((_req, res) => res.setHeader('Content-Type', 'text/html; charset=utf-8').end(page))

let halfway: Installation
let siteUrl = ''
beforeAll(async () => {
  siteUrl = await listen(site)
  halfway = await startDocumented({ ALLOWED_ORIGINS: siteUrl })
})
afterAll(() => halfway?.stop())

type View = Record<string, unknown> & { hash: string; status: string }
const call = async (path: string, body?: object): Promise<View> => {
  const headers = { 'content-type': 'application/json' }
  const options = body ? { method: 'POST', headers, body: JSON.stringify(body) } : {}
  return (await fetch(halfway.url + path, options)).json() as Promise<View>
}
const submit = async (slug: string, request_data: object = { mobile: '09123456789' }): Promise<string> => {
  const body = { service_slug: slug, request_data }
  return (await call('/api/local-requests', body)).hash
}
const state = (hash: string): Promise<View> => call(`/api/local-requests/${hash}/status`)
const reaches = (hash: string, status: string): Promise<View> =>
  eventually(async () => {
    const view = await state(hash)
    expect(view, JSON.stringify(view)).toMatchObject({ status })
    return view
  })
const answer = (hash: string, answer: string): Promise<View> =>
  call(`/api/local-requests/${hash}/otp`, { answer })
const type = (hash: string, otp: string): Promise<View> => call(`/api/local-requests/${hash}/otp`, { otp })

/** As if the user had waited until that is possible; resolves once the bot has asked again. */
async function requestAnotherCode(hash: string): Promise<void> {
  const { redis, updater } = await openUpdater({ redis: halfway.redis.url, log: quiet })
  const { id } = (await state(hash)).otp_data as { id: string }
  const now = (): number => Date.now() + 31_000
  const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, now })
  expect(await store.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
  await updater.stop()
  await eventually(async () =>
    expect(await state(hash)).toMatchObject({ otp_data: { id: expect.not.stringMatching(id) } }),
  )
}

describe('the services of the documents', () => {
  it('parcel-tracking of README.md, served by its my-bot.ts, has a form and completes with the answer of the carrier', async () => {
    const page = await fetch(`${halfway.url}/services/parcel-tracking`, { headers: { accept: 'text/html' } })
    expect(await page.text()).toContain('Asks the carrier where your parcels are.')
    const view = await reaches(await submit('parcel-tracking'), 'completed')
    expect(view).toMatchObject({ result_data: { parcels: 3 }, step: 'asking' })
  })

  it.each(['parcel-pickup', WITHOUT_OPEN_CALL])(
    '%s of docs/ADD-A-SERVICE.md asks again after a wrong code and completes after the right one',
    async (slug) => {
      const hash = await submit(slug)
      const asked = await reaches(hash, 'otp_required')
      expect(asked.otp_data).toMatchObject({ length: 6, message_key: 'code_sent', attempts_left: 3 })
      await type(hash, '111111')
      await eventually(async () =>
        expect(await state(hash)).toMatchObject({ status: 'otp_required', otp_data: { attempts_left: 2 } }),
      )
      await type(hash, '222222')
      expect(await reaches(hash, 'completed')).toMatchObject({ result_data: { parcels: 3 } })
    },
  )
})

describe('the questions of docs/WRITE-A-BOT.md', () => {
  it('bank-transfer of docs/WRITE-A-BOT.md asks one question after the other, the code again after a wrong one', async () => {
    const hash = await submit('bank-transfer')
    const asks = (question: object): Promise<void> =>
      eventually(async () =>
        expect(await state(hash)).toMatchObject({ status: 'otp_required', otp_data: question }),
      )
    await asks({ kind: 'choice', options: [{ value: 'savings' }, { value: 'current' }] })
    await answer(hash, 'current')
    await asks({ kind: 'text', max_length: 35 })
    await answer(hash, 'Rent')
    await asks({ kind: 'confirm', message: 'Transfer from current?', confirm_label: 'Transfer' })
    await answer(hash, 'yes')
    await asks({ kind: 'code', sent_to: '0912***6789', resend_available_at: expect.any(String) })
    await requestAnotherCode(hash)
    await answer(hash, '111111')
    await asks({ error: { message: 'The bank does not accept this code.' }, attempts_left: 2 })
    await answer(hash, '222222')
    const result_data = { transferred: true, account: 'current', reference: 'Rent' }
    expect(await reaches(hash, 'completed')).toMatchObject({ result_data })
  })
})

describe('the bots of the documents', () => {
  it.skipIf(!PYTHON)(
    'pickup_bot.py of docs/WRITE-A-BOT.md announces itself, reports, asks for a code and completes (needs Python)',
    async () => {
      const port = await freePort()
      const [folder, file] = [useFolder(), 'pickup_bot.py']
      writeFileSync(join(folder, file), (documentedFiles().get(file) ?? '').replaceAll('9997', String(port)))
      const hasPackage = spawnSync('python3', ['-c', 'import redis']).status === 0
      const standIn = hasPackage ? {} : { PYTHONPATH: join(ROOT, 'test/helpers/fixtures/python') }
      const { PATH, HOME } = process.env
      const env = { PATH, HOME, HALFWAY_URL: halfway.url, ...halfway.env, ...standIn }
      const bot = spawn('python3', [join(folder, file)], {
        env: { ...env, PYTHONDONTWRITEBYTECODE: '1' },
        stdio: 'ignore',
      })
      cleanUp(() => void bot.kill('SIGKILL'))
      await halfway.knows(['parcel-collection'])
      const hash = await submit('parcel-collection')
      expect(await reaches(hash, 'otp_required')).toMatchObject({ progress: 30, otp_data: { length: 6 } })
      await type(hash, '123456')
      expect(await reaches(hash, 'completed')).toMatchObject({ result_data: { parcels: 1, digits: 6 } })
      const headers = { authorization: `Bearer ${halfway.env.LOCAL_API_TOKEN}`, 'x-resume': 'true' }
      const body = JSON.stringify({ mobile: '09123456789', requestHash: hash })
      const url = `http://127.0.0.1:${port}/api/services/parcel-collection`
      const lost = await fetch(url, { method: 'POST', headers, body })
      expect(await lost.json()).toMatchObject({ status: 'error', code: 'session_lost' })
    },
  )
})

describe.skipIf(!PYTHON)('the bot over HTTP of docs/WRITE-A-BOT.md', () => {
  it('pickup_bot_over_http.py of docs/WRITE-A-BOT.md has a token of its own and no Redis, and asks again after a wrong code (needs Python)', async () => {
    const port = await freePort()
    const [folder, file] = [useFolder(), 'pickup_bot_over_http.py']
    writeFileSync(join(folder, file), (documentedFiles().get(file) ?? '').replaceAll('9996', String(port)))
    const { PATH, HOME } = process.env
    const env = { PATH, HOME, HALFWAY_URL: halfway.url, BOT_TOKEN, PYTHONDONTWRITEBYTECODE: '1' }
    const bot = spawn('python3', [join(folder, file)], { env, stdio: 'ignore' })
    cleanUp(() => void bot.kill('SIGKILL'))
    await halfway.knows(['parcel-return'])
    const hash = await submit('parcel-return')
    const asked = await reaches(hash, 'otp_required')
    expect(asked).toMatchObject({ progress: 30, otp_data: { length: 6, sent_to: '0912***6789' } })
    await requestAnotherCode(hash)
    await type(hash, '000000')
    await eventually(async () =>
      expect(await state(hash)).toMatchObject({ status: 'otp_required', otp_data: { attempts_left: 2 } }),
    )
    await type(hash, '123456')
    expect(await reaches(hash, 'completed')).toMatchObject({ result_data: { parcels: 1 } })

    const cancelled = await submit('parcel-return')
    await reaches(cancelled, 'otp_required')
    await call(`/api/local-requests/${cancelled}/cancel`, {})
    const headers = { authorization: `Bearer ${BOT_TOKEN}`, 'x-attempt': '1', 'x-resume': 'true' }
    const body = JSON.stringify({ mobile: '09123456789', requestHash: cancelled })
    const url = `http://127.0.0.1:${port}/api/services/parcel-return`
    await eventually(async () => {
      const stopped = await (await fetch(url, { method: 'POST', headers, body })).json()
      expect(stopped).toMatchObject({ status: 'error', code: 'session_lost' })
    })
  })
})

describe('the client of docs/SOCKETS.md', () => {
  it('watch.ts of docs/SOCKETS.md follows a request to its final state', async () => {
    const hash = await submit('parcel-tracking')
    const client = halfway.startProgram('watch.ts', [halfway.url, hash])
    await client.waitForOutput('completed 100%')
    expect(await client.ended).toBe(0)
  })
})

describe('the tasks of docs/PARALLEL-TASKS.md', () => {
  it('ask.ts of docs/PARALLEL-TASKS.md gets the results of its tasks in order', async () => {
    const caller = halfway.startProgram('ask.ts', [], { CONCURRENCY_DRIVER: 'sync' })
    await caller.waitForOutput('scores 712 and 712')
    expect(await caller.ended).toBe(0)
  })
})

describe.skipIf(isBrowserMissing)('the element of docs/EMBED.md', () => {
  const { open } = useBrowser()

  it('the element of docs/EMBED.md shows a request on another site, which gets its result by the event (needs a browser)', async () => {
    const hash = await submit('parcel-tracking')
    const [html = '', js = '', css = ''] = ['html', 'js', 'css'].map((name) =>
      blocksOf('docs/EMBED.md')
        .filter(({ language }) => language === name)
        .map(({ text }) => text)
        .join('\n'),
    )
    const element = html.replaceAll('https://halfway.example', halfway.url).replaceAll('req_…', hash)
    page = `<!doctype html><html lang="en"><style>${css}</style>${element}<script type="module">${js}</script></html>`
    const tab = await open({})
    const logged = tab.waitForEvent('console', (message) => message.text().includes('parcels'))
    await tab.goto(siteUrl)
    await tab.getByRole('heading', { name: 'Your result is ready' }).waitFor()
    expect(await (await logged).args()[0]?.jsonValue()).toMatchObject({ parcels: 3 })
  })
})

/** A request that a bot works on until the test ends. */
async function startHeld(): Promise<string> {
  await halfway.announce({ slug: 'held', title: 'Held' }, await listen(createServer(() => {})))
  const hash = await submit('held', {})
  await reaches(hash, 'processing')
  return hash
}

describe('the program of docs/WRITE-A-BOT.md', () => {
  it('report.ts of docs/WRITE-A-BOT.md reports progress of the request that it is given', async () => {
    const hash = await startHeld()
    expect(await halfway.startProgram('report.ts', [hash]).ended).toBe(0)
    expect(await state(hash)).toMatchObject({ progress: 40, current_message: 'Asking the carrier…' })
  })

  it('report-over-http.ts of docs/WRITE-A-BOT.md asks and reports without Redis', async () => {
    const hash = await startHeld()
    const env = { HALFWAY_URL: halfway.url, BOT_TOKEN: halfway.env.LOCAL_API_TOKEN, REDIS_URL: '' }
    const program = halfway.startProgram('report-over-http.ts', [hash], env)
    expect(await reaches(hash, 'otp_required')).toMatchObject({ otp_data: { kind: 'choice' } })
    await answer(hash, 'savings')
    expect(await program.ended).toBe(0)
    expect(await state(hash)).toMatchObject({ progress: 60, current_message: 'Reading savings…' })
  })
})

describe.skipIf(!SHELL)('the commands of the documents', () => {
  const isRun = (block: Block): boolean =>
    ['sh', 'json'].includes(block.language) && !block.note.startsWith('not run')

  /** Runs the commands, and compares each answer with the JSON that follows them. */
  async function runAll(document: string, hash = ''): Promise<void> {
    const shell = halfway.openShell()
    shell.hash = hash
    let answer: string | null = null
    for (const block of blocksOf(document).filter(isRun)) {
      const at = `${document}:${block.line}`
      if (block.language === 'json') {
        if (answer !== null) expect(differences(JSON.parse(block.text), JSON.parse(answer)), at).toEqual([])
        answer = null
        continue
      }
      const text = noteOf(block, 'repeat until')
      answer = await eventually(
        async () => {
          const output = await shell.run(block)
          if (text) expect(output).toContain(text)
          return output
        },
        text ? {} : { withinMs: 0 },
      )
    }
  }

  it('the commands of README.md start each kind of process (needs bash, curl)', () => runAll('README.md'))

  it('the commands of docs/QUICK-START.md lead from submit to result (needs bash, curl)', () =>
    runAll('docs/QUICK-START.md'))

  it('the commands of docs/PARALLEL-TASKS.md start a processor (needs bash, curl)', () =>
    runAll('docs/PARALLEL-TASKS.md'))

  it('the commands of docs/HTTP-API.md give the answers that it shows (needs bash, curl)', () =>
    runAll('docs/HTTP-API.md'))

  it.skipIf(!findExecutable('jq'))(
    'the commands of docs/WRITE-A-BOT.md report progress with redis-cli (needs bash, curl, jq)',
    async () => {
      const hash = await startHeld()
      await runAll('docs/WRITE-A-BOT.md', hash)
      await eventually(async () =>
        expect(await state(hash)).toMatchObject({ progress: 40, current_message: 'Asking the carrier…' }),
      )
    },
  )
})
