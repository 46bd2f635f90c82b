/** As little as Node can do to answer how a request stands: no routes, no parsing, the record goes out as it came. */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { listenForBench } from '../measure/listen.ts'

const redis = new Redis(process.env.REDIS_URL as string, {
  enableAutoPipelining: process.env.AUTO_PIPELINING === 'true',
})
const server = createServer(async (req, res) => {
  const json = await redis.get(`local_request:${req.url?.split('/')[3]}`)
  res.writeHead(json === null ? 404 : 200, { 'Content-Type': 'application/json' })
  res.end(json)
})
await listenForBench(server)
