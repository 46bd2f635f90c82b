/** Updates relayed by hand: a Socket.IO room for each request, into which every message of its channel is emitted. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { listen } from '../agent.ts'

const CHANNEL = 'local_request_updates:'

const http = createServer()
const io = new Server(http, { transports: ['websocket'] })
const subscriber = new Redis(process.env.REDIS_URL as string)

subscriber.on('message', (channel, message) => {
  io.to(channel.slice(CHANNEL.length)).emit('request:update', JSON.parse(message))
})
io.on('connection', (socket) => {
  socket.on('request:watch', async ({ hash }: { hash: string }, reply: (reply: { ok: true }) => void) => {
    socket.join(hash)
    await subscriber.subscribe(CHANNEL + hash)
    reply({ ok: true })
  })
})
await listen(http)
