/** Status answers by hand: an Express route that reads the record and sends it. */
import express from 'express'
import { Redis } from 'ioredis'
import { listen } from '../agent.ts'

const redis = new Redis(process.env.REDIS_URL as string)
const app = express()
app.get('/api/local-requests/:hash/status', async (req, res) => {
  const json = await redis.get(`local_request:${req.params.hash}`)
  if (json === null) return void res.status(404).json({ error: 'not found' })
  res.json(JSON.parse(json))
})
await listen(app)
