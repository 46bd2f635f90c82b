/**
 * JavaScript Redis servers in one process, which ends with its parent: a new process for each test file would compile all its
 * code again. Each server has its own data, scripts and clients, so that nothing of one file reaches the next.
 */
import { createServer } from 'node:net'
import {
  attachSession,
  createRedisCommandExecutor,
  RedisServerState,
  SocketConnectionTransport,
} from 'js-redis-server/core'

const executor = createRedisCommandExecutor()
/** By port. */
const stops = new Map()

function start(id, requirepass) {
  const state = new RedisServerState({ databaseCount: 16, requirepass })
  const sockets = new Set()
  const server = createServer({ keepAlive: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const clientAddress = `${socket.remoteAddress}:${socket.remotePort}`
    attachSession(new SocketConnectionTransport(socket), { state, executor, clientAddress })
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    stops.set(port, (done) => {
      server.close(done)
      for (const socket of sockets) socket.destroy()
    })
    process.send({ id, port })
  })
}

process.on('message', ({ id, password, stop }) => {
  if (stop === undefined) return start(id, password)
  stops.get(stop)(() => process.send({ id, port: stop }))
  stops.delete(stop)
})
process.once('disconnect', () => process.exit())
