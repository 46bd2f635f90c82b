/** The way to a Redis that is not on the same machine: what is said takes its time, in both directions. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { ready } from '../measure/meter.ts'

const ONE_WAY_MS = 1
const { hostname, port } = new URL(process.env.REDIS_URL as string)

const passOn = (from: Socket, to: Socket): void => {
  from.setNoDelay()
  from.on('data', (chunk) => void setTimeout(() => to.write(chunk), ONE_WAY_MS))
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}
const server = createServer((near) => {
  const far = connect(Number(port), hostname)
  passOn(near, far)
  passOn(far, near)
})
server.listen(0, '127.0.0.1', () =>
  ready({ url: () => `redis://127.0.0.1:${(server.address() as AddressInfo).port}` }),
)
