/** As little as Node can do to tell watchers: bare WebSockets, and what Redis publishes goes out as it came. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { type WebSocket, WebSocketServer } from 'ws'
import { listenForBench } from '../measure/listen.ts'

const http = createServer()
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false })
const subscriber = new Redis(process.env.REDIS_URL as string)
const watchers = new Map<string, Set<WebSocket>>()

subscriber.on('message', (channel, message) => {
  for (const watcher of watchers.get(channel) ?? []) watcher.send(message)
})
sockets.on('connection', (socket) => {
  // The one thing that a watcher says: the hash of its request.
  socket.once('message', async (hash) => {
    const channel = `local_request_updates:${hash}`
    const present = watchers.get(channel)
    const all = present ?? new Set()
    watchers.set(channel, all.add(socket))
    socket.on('close', () => {
      if (!all.delete(socket) || all.size > 0) return
      watchers.delete(channel)
      void subscriber.unsubscribe(channel)
    })
    if (!present) await subscriber.subscribe(channel)
    socket.send('watching')
  })
})
await listenForBench(http)
