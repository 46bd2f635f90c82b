/** The effect of settings, seen from outside the real processes. */
import { io } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { createLog } from '../../core/runtime/log.ts'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway } from '../helpers/halfway.ts'
import { redisContents } from '../helpers/redis-contents.ts'

/** Other values than the examples of the form, which are no secrets. */
const SUBMITTER = { mobile: '09121112233', national_code: '0012345768' }

describe.concurrent('REQUEST_TTL', () => {
  it('an expired request is sent to its watchers, answers 410, and leaves no key behind', async () => {
    const halfway = await startHalfway({ REQUEST_TTL: '6' })
    const watcher = io(halfway.url, { transports: ['websocket'] })
    const own = await openRedis({ kind: 'single', url: halfway.redis.url }, createLog('test', 'silent'))
    try {
      await new Promise<void>((resolve) => watcher.once('connect', resolve))
      const answer = await fetch(`${halfway.url}/api/local-requests`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'once' },
        body: JSON.stringify({ service_slug: 'credit-score-rating', request_data: SUBMITTER }),
      })
      const { hash } = (await answer.json()) as PublicView
      const expired = new Promise((resolve) => watcher.once('request:expired', resolve))
      expect(await watcher.emitWithAck('request:watch', { hash })).toMatchObject({ ok: true })
      expect(await expired).toEqual({ hash })
      expect((await fetch(`${halfway.url}/api/local-requests/${hash}/status`)).status).toBe(410)
      expect((await fetch(`${halfway.url}/services/credit-score-rating/progress/${hash}`)).status).toBe(410)
      const client = await own.connect('patient')
      await eventually(
        async () => {
          const left = (await client.keys('*')).filter(
            (key) => key.includes(hash) || key.includes('idempotency'),
          )
          expect(left).toEqual([])
          expect(await client.zscore('halfway:deadlines', hash)).toBeNull()
          expect(await client.exists('local_requests_list')).toBe(0)
          for (const secret of Object.values(SUBMITTER))
            expect(await redisContents(client)).not.toContain(secret)
        },
        { withinMs: 60_000, everyMs: 200 },
      )
      for (const secret of Object.values(SUBMITTER)) expect(halfway.output()).not.toContain(secret)
    } finally {
      watcher.disconnect()
      await own.stop()
      await halfway.stop()
    }
  })
})

describe.concurrent('OWNER_CHECK', () => {
  it('with OWNER_CHECK=all a foreign cookie gets 403 on every call, and the owner’s is accepted', async () => {
    const halfway = await startHalfway({ OWNER_CHECK: 'all' })
    try {
      const newSession = async () => {
        const { headers } = await fetch(halfway.url)
        return { cookie: headers.get('set-cookie')?.split(';')[0] ?? '' }
      }
      const [owner, other] = [await newSession(), await newSession()]
      const json = { 'content-type': 'application/json' }
      const submitted = await fetch(`${halfway.url}/api/local-requests`, {
        method: 'POST',
        headers: { ...json, ...owner },
        body: JSON.stringify({ service_slug: 'credit-score-rating', request_data: SUBMITTER }),
      })
      const { hash } = (await submitted.json()) as PublicView
      const api = `${halfway.url}/api/local-requests/${hash}`
      const page = `${halfway.url}/services/credit-score-rating`
      for (const url of [
        `${api}/status`,
        `${api}/events`,
        `${api}/result`,
        `${page}/progress/${hash}`,
        `${page}/otp/${hash}`,
      ]) {
        expect((await fetch(url, { headers: other })).status, url).toBe(403)
      }
      for (const action of ['cancel', 'resend-otp', 'otp']) {
        const answer = await fetch(`${api}/${action}`, {
          method: 'POST',
          headers: { ...json, ...other },
          body: '{"otp":"123456"}',
        })
        expect(answer.status, action).toBe(403)
        expect(await answer.json()).toMatchObject({ code: 'not_owner' })
      }
      const watcher = io(halfway.url, { transports: ['websocket'], extraHeaders: other })
      expect(await watcher.emitWithAck('request:watch', { hash })).toMatchObject({
        ok: false,
        problem: { status: 403 },
      })
      watcher.disconnect()
      expect((await fetch(`${api}/status`, { headers: owner })).status).toBe(200)
      expect((await fetch(`${api}/cancel`, { method: 'POST', headers: owner })).status).toBe(200)
    } finally {
      await halfway.stop()
    }
  })
})
