/** Many calls on one connection, without waiting for the answers. */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const { address } = await useServer(await useRedis())
const { port } = new URL(address)

const call = (id: number, headers = ''): string =>
  `GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: n${id}\r\n${headers}\r\n`

/** Sends it all in one packet. Resolves with the ids of the answers, once the connection is closed. */
async function answersTo(calls: string): Promise<string[]> {
  const tcp = connect(Number(port), '127.0.0.1')
  let received = ''
  tcp.on('data', (data) => {
    received += data
  })
  tcp.on('error', () => {})
  const closed = new Promise((resolve) => tcp.once('close', resolve))
  tcp.write(calls)
  await closed
  return [...received.matchAll(/^X-Request-Id: (\w+)/gim)].map(([, id]) => String(id))
}

test('some calls are answered in their order', async () => {
  const calls = Array.from({ length: 30 }, (_, i) => call(i))
  const ids = [...calls.keys(), 30].map((i) => `n${i}`)
  expect(await answersTo(calls.join('') + call(30, 'Connection: close\r\n'))).toEqual(ids)
})

test('a connection with a thousand calls at once is closed, and few of them are handled', async () => {
  const calls = Array.from({ length: 1000 }, (_, i) => call(i))
  expect((await answersTo(calls.join(''))).length).toBeLessThan(50)
})

test('the calls that were answered do not count', async () => {
  const tcp = connect(Number(port), '127.0.0.1')
  for (let round = 0; round < 10; round++) {
    const calls = Array.from({ length: 20 }, (_, i) => call(i))
    let received = ''
    await new Promise<void>((resolve, reject) => {
      tcp.once('close', () => reject(new Error(`closed in round ${round}`)))
      const read = (data: Buffer): void => {
        received += data
        if (received.split('HTTP/1.1 200').length - 1 < calls.length) return
        tcp.off('data', read)
        tcp.removeAllListeners('close')
        resolve()
      }
      tcp.on('data', read)
      tcp.write(calls.join(''))
    })
  }
  tcp.destroy()
})
