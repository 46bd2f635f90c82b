import type { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { createChannelSubscriber } from '../../../core/pubsub/channel-subscriber.ts'
import type { RedisClient } from '../../../core/redis/connect.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import { aHash } from '../../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, subscriber, bus, subscriptions } = await useRequests(await useRedis())
const publish = (hash: string, text: string) => client.publish(keys.channel(hash), text)

function ear() {
  const heard: string[] = []
  let gaps = 0
  return {
    heard,
    get gaps() {
      return gaps
    },
    message: (json: string) => void heard.push(json),
    gap: () => void gaps++,
  }
}

describe('the update bus', () => {
  it('a listener receives everything published after watch has resolved', async () => {
    const hash = aHash()
    const mine = ear()
    const stop = await bus.watch(hash, mine)
    await publish(hash, 'one')
    await publish(hash, 'two')
    await eventually(() => expect(mine.heard).toEqual(['one', 'two']))
    stop()
  })

  it('watch resolves only after Redis has confirmed the subscription', async () => {
    let confirm = () => {}
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve
    })
    const slow = Object.create(subscriber, { subscribe: { value: () => confirmed } }) as RedisClient
    const slowBus = createChannelSubscriber({ redis: client, subscriber: slow, log: quiet })
    const hash = aHash()
    const order: string[] = []
    const watching = [ear(), ear()].map((one) =>
      slowBus.watch(hash, one).then((stop) => {
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
    const [mine, other] = [ear(), ear()]
    const stops = [await bus.watch(a, mine), await bus.watch(b, other)]
    await publish(a, 'for a')
    await publish(b, 'for b')
    await eventually(() => expect(other.heard).toEqual(['for b']))
    expect(mine.heard).toEqual(['for a'])
    for (const stop of stops) stop()
  })

  it('several listeners of a request share one subscription, which ends with the last', async () => {
    const hash = aHash()
    const ears = [ear(), ear(), ear()]
    const stops = await Promise.all(ears.map((one) => bus.watch(hash, one)))
    expect(await subscriptions(hash)).toBe(1)
    stops[0]?.()
    stops[1]?.()
    // The second stop has no effect.
    stops[1]?.()
    await publish(hash, 'still here')
    await eventually(() => expect(ears[2]?.heard).toEqual(['still here']))
    expect(ears[0]?.heard).toEqual([])
    stops[2]?.()
    await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })

  it('a listener added while the last one leaves receives messages', async () => {
    const hash = aHash()
    let stop = await bus.watch(hash, ear())
    for (let round = 0; round < 50; round++) {
      const next = ear()
      if (round % 2) stop()
      const arriving = bus.watch(hash, next)
      if (round % 2 === 0) stop()
      stop = await arriving
      await publish(hash, `round ${round}`)
      await eventually(() => expect(next.heard).toEqual([`round ${round}`]))
    }
    stop()
  })

  it('a watch started while the connection is down resolves once it is back', async () => {
    const [before, as, during] = [ear(), ear(), ear()]
    const stops = [await bus.watch(aHash(), before)]
    const hash = aHash()
    const begun = bus.watch(hash, as)
    ;(subscriber as Redis).stream.destroy()
    await eventually(() => expect(subscriber.status).not.toBe('ready'), { everyMs: 1 })
    stops.push(await bus.watch(hash, during), await begun)
    await publish(hash, 'back again')
    for (const { heard } of [as, during]) await eventually(() => expect(heard).toEqual(['back again']))
    expect(before.gaps).toBe(1)
    for (const stop of stops) stop()
  })

  it.runIf(onRealRedis)(
    'a listener is notified of a gap after a lost connection has been restored',
    async () => {
      const hash = aHash()
      const heard: string[] = []
      let gaps = 0
      const stop = await bus.watch(hash, {
        message: (json) => void heard.push(json),
        // The gap is over: everything published from here on must be received.
        gap: () => void publish(hash, `after gap ${++gaps}`),
      })
      for (const broken of [1, 2, 3]) {
        await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await eventually(() => expect(heard).toContain(`after gap ${broken}`))
      }
      expect([await subscriptions(hash), gaps]).toEqual([1, 3])
      stop()
    },
  )
})
