/** A server with its console switched on, and operators who are signed in. */
import { load } from 'cheerio'
import type { TestRedis } from './redis.ts'
import { collectLog, type TestServer, useServer } from './server.ts'

export const ADMIN_TOKEN = 'kT9-vWq2_ZrB7xLm4PdY'

export interface TestConsole extends TestServer {
  /** Signs in; resolves with the cookie. */
  signIn(token?: string): Promise<string>
  open(path: string, cookie: string): Promise<ReturnType<typeof load>>
  /** Sends a form with the token of the page at this address. */
  send(page: string, cookie: string, action: string, fields: Record<string, string | string[]>): SendResult
  /** The lines of the audit log. */
  audit(): Record<string, unknown>[]
  /** All lines of the log. */
  lines: string[]
}
type SendResult = Promise<{ status: number; location: string; text: string }>

/** Await it at the top of a test file. */
export async function useConsole(
  redis: TestRedis,
  settings: Record<string, string> = { ADMIN_TOKEN },
  options: { assets?: string } = {},
): Promise<TestConsole> {
  const { log, lines } = collectLog('warn')
  const server = await useServer(redis, { ...options, settings, log })
  const { api } = server
  const open: TestConsole['open'] = async (path, cookie) => {
    const { text } = await api.get(path).set('Cookie', cookie).set('Accept', 'text/html').expect(200)
    return load(text)
  }
  return {
    ...server,
    lines,
    open,
    async signIn(token = ADMIN_TOKEN) {
      const answer = await api.post('/admin/sign-in').set('Accept', 'text/html').type('form').send({ token })
      return String(answer.headers['set-cookie'] ?? '').split(';')[0] ?? ''
    },
    async send(page, cookie, action, fields) {
      const form_token = (await open(page, cookie))('[name="form_token"]').first().val()
      const { status, headers, text } = await api
        .post(action)
        .set('Cookie', cookie)
        .set('Accept', 'text/html')
        .type('form')
        .send({ form_token, ...fields })
      return { status, location: String(headers.location ?? ''), text }
    },
    audit: () => lines.map((line) => JSON.parse(line)).filter((line) => line.name === 'audit'),
  }
}
