/**
 * The JavaScript Redis, as a process: it listens on the loopback address alone and answers nothing without its password,
 * which its parent sends over the IPC channel, since arguments are seen by everybody on the machine. It tells its port.
 */
import { createServer } from 'node:net'
import {
  attachSession,
  createRedisCommandExecutor,
  RedisServerState,
  SocketConnectionTransport,
} from 'js-redis-server/core'

process.once('message', ({ password }) => {
  const state = new RedisServerState({ databaseCount: 16, requirepass: password })
  const executor = createRedisCommandExecutor()
  const server = createServer({ keepAlive: true }, (socket) => {
    const clientAddress = `${socket.remoteAddress}:${socket.remotePort}`
    attachSession(new SocketConnectionTransport(socket), { state, executor, clientAddress })
  })
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port })
    process.disconnect()
  })
})
