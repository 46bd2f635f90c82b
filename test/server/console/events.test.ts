/** The event stream of the console: what is sent, when it ends, how many there are. */
import { expect, test } from 'vitest'
import { useConsole } from '../../helpers/console.ts'
import { eventually } from '../../helpers/eventually.ts'
import { START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'

const server = await useConsole(await useRedis())
const cookie = await server.signIn()
const stop = new AbortController()

/** Opens a stream; what it has sent so far is in `text`. */
async function follow(page: string): Promise<{ status: number; text: string; isOver: boolean }> {
  const response = await fetch(`${server.address}/admin/events?page=${encodeURIComponent(page)}`, {
    headers: { Cookie: cookie },
    signal: stop.signal,
  })
  const stream = { status: response.status, text: '', isOver: false }
  void (async () => {
    for await (const chunk of response.body ?? []) stream.text += Buffer.from(chunk).toString()
    stream.isOver = true
  })().catch(() => {})
  return stream
}

test('a stream sends an event when its page has changed, at most twenty are open, and all end with the server', async () => {
  expect((await follow('/admin/nothing')).status).toBe(404)
  const other = await follow('/admin/requests?service=another-service')
  const stream = await follow('/admin/requests?service=test-service')
  expect(stream.status).toBe(200)
  await server.given([START])
  await eventually(() => expect(stream.text).toContain('event: changed\ndata: {}\n\n'))
  expect(other.text).not.toContain('changed')

  const more = await Promise.all(Array.from({ length: 19 }, () => follow('/admin/queues')))
  expect(more.map(({ status }) => status).sort()).toEqual([...Array(18).fill(200), 429])
  await server.stop()
  await eventually(() => expect(stream.isOver).toBe(true))
})
