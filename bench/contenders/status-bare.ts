/** The least that Node can do for a status answer: no routes, and the stored JSON is sent as it is, private fields included. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { listen } from '../agent.ts'

const redis = new Redis(process.env.REDIS_URL as string)

const server = createServer(async (req, res) => {
  const json = await redis.get(`local_request:${req.url?.split('/')[3]}`)
  res.writeHead(json === null ? 404 : 200, { 'Content-Type': 'application/json' }).end(json)
})
await listen(server)
