/** The demo portal on a port of its own, and its SMS inbox, for tests of the portal and of the bots that visit it. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createLog } from '../../../core/runtime/log.ts'
import { createPortal, type PortalOptions } from '../demo-portal/portal.ts'

export const MOBILE = '09123456789'

/** Portals of the running test, newest last; stopped after it. */
export const running: Server[] = []

export async function start(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  running.push(server)
  onTestFinished(async () => {
    await Promise.all(running.splice(0).map(stop))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export async function stop(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

/** A portal with short delays that accepts every right captcha answer, unless `options` say otherwise. */
export const startPortal = (options: Partial<PortalOptions> = {}): Promise<string> =>
  start(createPortal({ speed: 10_000, log: createLog('portal', 'silent'), random: () => 0.99, ...options }))

interface Sms {
  code: string
  text: string
  sent_at: string
}

/** Newest first. */
export const inboxOf = async (portal: string, mobile = MOBILE): Promise<Sms[]> =>
  (await fetch(`${portal}/inbox/${mobile}`, { headers: { accept: 'application/json' } })).json()

/** Undefined where none was sent, which no test expects. */
export const newestCode = async (portal: string, mobile = MOBILE): Promise<string> =>
  (await inboxOf(portal, mobile))[0]?.code as string

/** Any code but the right one. */
export const otherThan = (code: string): string => (code === '000000' ? '000001' : '000000')

/** Numbers of sessions and of delayed requests. */
export const healthOf = async (portal: string): Promise<{ sessions: number; waiting: number }> =>
  (await fetch(`${portal}/health`)).json()
