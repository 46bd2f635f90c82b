/** Loads what a server is made of, and pings Redis. */
import 'bullmq'
import 'express'
import { Redis } from 'ioredis'
import 'socket.io'

await new Redis(process.env.REDIS_URL).ping()
process.send('ready')
