/** The plain way to tell watchers: a Socket.IO room a request, and what Redis publishes is sent into it. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { listenForBench } from '../measure/listen.ts'

const CHANNEL = 'local_request_updates:'

const http = createServer()
const io = new Server(http, { transports: ['websocket'] })
const subscriber = new Redis(process.env.REDIS_URL as string)
const watchersOf = (hash: string): number => io.sockets.adapter.rooms.get(hash)?.size ?? 0

subscriber.on('message', (channel, message) => {
  io.to(channel.slice(CHANNEL.length)).emit('request:update', JSON.parse(message))
})
io.on('connection', (socket) => {
  socket.on('request:watch', async ({ hash }: { hash: string }, answer: (answer: { ok: true }) => void) => {
    socket.join(hash)
    if (watchersOf(hash) === 1) await subscriber.subscribe(CHANNEL + hash)
    answer({ ok: true })
  })
  socket.on('disconnecting', () => {
    for (const room of socket.rooms) {
      if (room !== socket.id && watchersOf(room) === 1) void subscriber.unsubscribe(CHANNEL + room)
    }
  })
})
await listenForBench(http)
