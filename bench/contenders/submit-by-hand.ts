/** Requests taken by hand: an Express route that writes the record, adds it to the list and queues its job. */
import { Queue } from 'bullmq'
import express from 'express'
import { Redis } from 'ioredis'
import { listen } from '../agent.ts'
import { pendingRecord, TTL_SECONDS } from '../requests.ts'

interface Submission {
  service_slug: string
  request_data: Record<string, unknown>
}

const redis = new Redis(process.env.REDIS_URL as string)
const queue = new Queue('requests', { connection: redis })

async function submit({ service_slug, request_data }: Submission) {
  const record = { ...pendingRecord(), service_slug, request_data }
  const { hash } = record
  await redis.setex(`local_request:${hash}`, TTL_SECONDS, JSON.stringify(record))
  await redis.lpush('local_requests_list', hash)
  await queue.add('request', { hash }, { jobId: hash })
  return record
}

const app = express()
app.use(express.json({ limit: '4mb' }))
app.post('/api/local-requests', async (req, res) => {
  const batch: Submission[] | undefined = req.body.requests
  res.status(202).json(batch ? await Promise.all(batch.map(submit)) : await submit(req.body))
})
await listen(app)
