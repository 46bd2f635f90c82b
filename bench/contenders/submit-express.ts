/** The plain way to take requests over HTTP: an Express route that writes the record and queues the job. */
import { Queue } from 'bullmq'
import express from 'express'
import { Redis } from 'ioredis'
import { listenForBench } from '../measure/listen.ts'
import { aRecord, TTL_SECONDS } from '../requests.ts'

const redis = new Redis(process.env.REDIS_URL as string)
const queue = new Queue('requests', { connection: redis })

async function submit(body: { service_slug: string; request_data: Record<string, unknown> }) {
  const record = { ...aRecord('pending'), service_slug: body.service_slug, request_data: body.request_data }
  const { hash } = record
  await redis.setex(`local_request:${hash}`, TTL_SECONDS, JSON.stringify(record))
  await redis.lpush('local_requests_list', hash)
  await queue.add('request', { hash }, { jobId: hash, removeOnComplete: true, removeOnFail: true })
  return record
}

const app = express()
app.use(express.json({ limit: '4mb' }))
app.post('/api/local-requests', async (req, res) => {
  if (!req.body.requests) return void res.status(202).json(await submit(req.body))
  const requests = await Promise.all(req.body.requests.map(submit))
  res.status(202).json({ accepted: requests.length, requests })
})
await listenForBench(app)
