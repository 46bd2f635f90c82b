import { createServer, type RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ready } from './meter.ts'

/** Listens at a port that is free, and tells the bench which. */
export async function listenForBench(
  app: Server | RequestListener,
  answers: Parameters<typeof ready>[0] = {},
): Promise<void> {
  const server = app instanceof Server ? app : createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ready({ ...answers, url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
