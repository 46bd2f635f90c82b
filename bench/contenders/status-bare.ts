/**
 * As little as Node can do to answer how a request stands: no routes, the record goes out as it came. With PRIVATE=true the
 * least that one may: without what nobody but the bot should see.
 */
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { listenForBench } from '../measure/listen.ts'

const redis = new Redis(process.env.REDIS_URL as string)

function withoutPrivate(json: string): string {
  const { request_data: _data, user_id: _user, session_id: _session, ...shown } = JSON.parse(json)
  return JSON.stringify(shown)
}
const toAnswer = process.env.PRIVATE === 'true' ? withoutPrivate : (json: string) => json

const server = createServer(async (req, res) => {
  const json = await redis.get(`local_request:${req.url?.split('/')[3]}`)
  res.writeHead(json === null ? 404 : 200, { 'Content-Type': 'application/json' })
  res.end(json && toAnswer(json))
})
await listenForBench(server)
