/** As little as one of our processes could be: it listens, and has a connection to Redis. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { listenForBench } from '../measure/listen.ts'

const redis = new Redis(process.env.REDIS_URL as string)
await redis.ping()
await listenForBench(createServer((_req, res) => res.end('hello')))
