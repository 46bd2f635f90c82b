/** The least that Node can do to relay updates: bare WebSockets, to which every message is sent as it came. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { type WebSocket, WebSocketServer } from 'ws'
import { listen } from '../agent.ts'

const http = createServer()
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false })
const subscriber = new Redis(process.env.REDIS_URL as string)
const watchers = new Map<string, Set<WebSocket>>()

subscriber.on('message', (channel, message) => {
  for (const watcher of watchers.get(channel) ?? []) watcher.send(message)
})
sockets.on('connection', (socket) => {
  // A watcher sends one message: the hash of its request.
  socket.once('message', async (hash) => {
    const channel = `local_request_updates:${hash}`
    watchers.set(channel, (watchers.get(channel) ?? new Set()).add(socket))
    await subscriber.subscribe(channel)
    socket.send('watching')
  })
})
await listen(http)
