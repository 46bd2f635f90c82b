/** Halfway's own processes in the benchmarks, as `npm run start:…` starts them. */
import { randomBytes } from 'node:crypto'
import { freePort } from '../core/redis/local-server.ts'
import { type Child, type Server, startChild } from './measure/child.ts'

const SETTINGS = { LOCAL_API_TOKEN: randomBytes(24).toString('base64url'), NODE_ENV: 'production' }

export async function startServer(redisUrl: string, settings: Record<string, string> = {}): Promise<Server> {
  const port = await freePort()
  const server = await startChild('server/main.ts', {
    env: { ...SETTINGS, REDIS_URL: redisUrl, PORT: String(port), HOST: '127.0.0.1', ...settings },
    ready: 'server is ready',
  })
  return { ...server, url: `http://127.0.0.1:${port}` }
}

export const startWorkers = (redisUrl: string, settings: Record<string, string> = {}): Promise<Child> =>
  startChild('workers/main.ts', {
    env: { ...SETTINGS, ...settings, REDIS_URL: redisUrl },
    ready: 'workers are ready',
  })

export const startBots = async (redisUrl: string): Promise<Child> =>
  startChild('bots/inquiry-provider/main.ts', {
    env: { ...SETTINGS, REDIS_URL: redisUrl, LOCAL_API_PORT: String(await freePort()) },
    ready: 'bots are ready',
  })

export const startPortal = async (redisUrl: string): Promise<Child> =>
  startChild('bots/demo-portal/main.ts', {
    env: { ...SETTINGS, REDIS_URL: redisUrl, DEMO_PORTAL_PORT: String(await freePort()) },
    ready: 'the demo portal is ready',
  })
