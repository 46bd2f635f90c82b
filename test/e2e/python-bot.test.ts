/** A bot in Python beside `npm start`: from the submit to the result. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { startBotProcess } from '../../cli/bot-test/bot-process.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway } from '../helpers/halfway.ts'
import { isPythonMissing } from '../helpers/python.ts'

const FOLDER = fileURLToPath(new URL('../..', import.meta.url))
const TOKEN = 'a-token-of-the-tests'

describe.skipIf(isPythonMissing)('a bot in Python beside Halfway', () => {
  it('announces its service, works on a request, and has its code typed (needs Python)', async () => {
    const halfway = await startHalfway({ LOCAL_API_TOKEN: TOKEN })
    const site = createServer((_req, res) => res.end('Halfway'))
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    afterAll(() => void site.close())
    for (const file of [
      'bots/python/examples/file_checksum.py',
      'test/helpers/fixtures/python/asking_bot.py',
    ]) {
      const bot = startBotProcess(`python3 "${join(FOLDER, file)}"`, {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        PYTHONDONTWRITEBYTECODE: '1',
        FILE_CHECKSUM_ALLOW_PRIVATE: 'true',
        HALFWAY_URL: halfway.url,
        BOT_TOKEN: TOKEN,
        BOT_PORT: String(await freePort()),
      })
      cleanUp(() => bot.kill())
    }
    // Submits are limited per minute: the wait for the bots reads the catalogue instead.
    await eventually(async () => {
      const { services } = (await (await fetch(`${halfway.url}/api/services`)).json()) as {
        services: { slug: string }[]
      }
      const slugs = services.map(({ slug }) => slug)
      expect(slugs).toEqual(expect.arrayContaining(['file-checksum', 'asking']))
    })
    const submit = async (service_slug: string, request_data: object): Promise<string> => {
      const response = await fetch(`${halfway.url}/api/local-requests`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ service_slug, request_data }),
      })
      expect(response.status).toBe(202)
      return String(((await response.json()) as { hash: string }).hash)
    }
    const reaches = (hash: string, status: string) =>
      eventually(async () => {
        const response = await fetch(`${halfway.url}/api/local-requests/${hash}/status`)
        const view = (await response.json()) as Record<string, unknown>
        expect(view).toMatchObject({ status })
        return view
      })
    const type = (hash: string, otp: string) =>
      fetch(`${halfway.url}/api/local-requests/${hash}/otp`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ otp }),
      })

    const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
    const checksum = await submit('file-checksum', { url, algorithm: 'sha256' })
    expect(await reaches(checksum, 'completed')).toMatchObject({
      result_data: { checksum: createHash('sha256').update('Halfway').digest('hex'), bytes: 7 },
    })

    const asking = await submit('asking', { mobile: '09123456789', task: 'ask' })
    expect(await reaches(asking, 'otp_required')).toMatchObject({ progress: 10, otp_data: { length: 6 } })
    await type(asking, '111111')
    await eventually(async () =>
      expect(await reaches(asking, 'otp_required')).toMatchObject({ otp_data: { attempts_left: 2 } }),
    )
    await type(asking, '222222')
    expect(await reaches(asking, 'completed')).toMatchObject({ result_data: { count: 1 } })

    const failing = await submit('asking', { mobile: '09123456789', task: 'nan' })
    expect(await reaches(failing, 'failed')).toMatchObject({ error_data: { code: 'bot_bad_answer' } })
    await halfway.stop()
  })
})
