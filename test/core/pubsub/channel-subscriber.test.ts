import type { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { createChannelSubscriber } from '../../../core/pubsub/channel-subscriber.ts'
import type { RedisClient } from '../../../core/redis/connect.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import { aHash } from '../../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, subscriber, channels, subscriptions } = await useRequests(await useRedis())
const publish = (hash: string, text: string) => client.publish(keys.channel(hash), text)

function createListener() {
  const received: string[] = []
  let gaps = 0
  return {
    received,
    get gaps() {
      return gaps
    },
    onMessage: (json: string) => void received.push(json),
    onGap: () => void gaps++,
  }
}

describe('the channel subscriber', () => {
  it('a listener receives everything published after subscribe has resolved', async () => {
    const hash = aHash()
    const mine = createListener()
    const stop = await channels.subscribe(hash, mine)
    await publish(hash, 'one')
    await publish(hash, 'two')
    await eventually(() => expect(mine.received).toEqual(['one', 'two']))
    stop()
  })

  it('subscribe resolves only after Redis has confirmed the subscription', async () => {
    let confirm = () => {}
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve
    })
    const slow = Object.create(subscriber, { subscribe: { value: () => confirmed } }) as RedisClient
    const slowSubscriber = createChannelSubscriber({ redis: client, subscriber: slow, log: quiet })
    const hash = aHash()
    const order: string[] = []
    const watching = [createListener(), createListener()].map((one) =>
      slowSubscriber.subscribe(hash, one).then((stop) => {
        order.push('may read')
        return stop
      }),
    )
    await client.ping()
    order.push('confirmed')
    confirm()
    for (const stop of await Promise.all(watching)) stop()
    expect(order).toEqual(['confirmed', 'may read', 'may read'])
  })

  it('a listener receives messages of its own request only', async () => {
    const [a, b] = [aHash(), aHash()]
    const [mine, other] = [createListener(), createListener()]
    const stops = [await channels.subscribe(a, mine), await channels.subscribe(b, other)]
    await publish(a, 'for a')
    await publish(b, 'for b')
    await eventually(() => expect(other.received).toEqual(['for b']))
    expect(mine.received).toEqual(['for a'])
    for (const stop of stops) stop()
  })

  it('several listeners of a request share one subscription, which ends with the last', async () => {
    const hash = aHash()
    const listeners = [createListener(), createListener(), createListener()]
    const stops = await Promise.all(listeners.map((one) => channels.subscribe(hash, one)))
    expect(await subscriptions(hash)).toBe(1)
    stops[0]?.()
    stops[1]?.()
    // The second stop has no effect.
    stops[1]?.()
    await publish(hash, 'still here')
    await eventually(() => expect(listeners[2]?.received).toEqual(['still here']))
    expect(listeners[0]?.received).toEqual([])
    stops[2]?.()
    await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })

  it('a listener added while the last one leaves receives messages', async () => {
    const hash = aHash()
    let stop = await channels.subscribe(hash, createListener())
    for (let round = 0; round < 50; round++) {
      const next = createListener()
      if (round % 2) stop()
      const arriving = channels.subscribe(hash, next)
      if (round % 2 === 0) stop()
      stop = await arriving
      await publish(hash, `round ${round}`)
      await eventually(() => expect(next.received).toEqual([`round ${round}`]))
    }
    stop()
  })

  it('a subscription started while the connection is down resolves once it is back', async () => {
    const [before, early, during] = [createListener(), createListener(), createListener()]
    const stops = [await channels.subscribe(aHash(), before)]
    const hash = aHash()
    const whileConnected = channels.subscribe(hash, early)
    ;(subscriber as Redis).stream.destroy()
    await eventually(() => expect(subscriber.status).not.toBe('ready'), { everyMs: 1 })
    stops.push(await channels.subscribe(hash, during), await whileConnected)
    await publish(hash, 'back again')
    for (const { received } of [early, during])
      await eventually(() => expect(received).toEqual(['back again']))
    expect(before.gaps).toBe(1)
    for (const stop of stops) stop()
  })

  it.runIf(onRealRedis)(
    'a listener is notified of a gap after a lost connection has been restored',
    async () => {
      const hash = aHash()
      const received: string[] = []
      let gaps = 0
      const stop = await channels.subscribe(hash, {
        onMessage: (json) => void received.push(json),
        // The gap is over: everything published from here on must be received.
        onGap: () => void publish(hash, `after gap ${++gaps}`),
      })
      for (const broken of [1, 2, 3]) {
        await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await eventually(() => expect(received).toContain(`after gap ${broken}`))
      }
      expect([await subscriptions(hash), gaps]).toEqual([1, 3])
      stop()
    },
  )
})
