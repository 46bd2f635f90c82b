/** Which bot a worker calls. */
import { expect, test, vi } from 'vitest'
import { loadConfig } from '../../core/runtime/config.ts'
import { createBotLeases } from '../../core/store/bot-leases.ts'
import type { AnnouncedBot } from '../../core/store/service-registry.ts'
import { createBotRouter } from '../../workers/bot-router.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { applyCommands, aRecord, REQUIRE_OTP } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { collectLog } from '../helpers/server.ts'

const redis = await (await useRedis()).connections.connect('patient')
const CRAWLER_TOKEN = 'a-token-of-the-crawler'

function useRouter(bots: Partial<AnnouncedBot>[], settings: Record<string, string> = {}) {
  const { log, lines } = collectLog('warn')
  const leases = createBotLeases({ redis, log, now: Date.now })
  cleanUp(() => leases.stop())
  const all = bots.map(
    (bot, i): AnnouncedBot => ({
      slug: 'test-service',
      address: `http://127.0.0.1:${9000 + i}`,
      name: 'default',
      concurrency: 10,
      ...bot,
    }),
  )
  const router = createBotRouter({
    catalog: {
      hasBots: () => all.length > 0,
      botsOf: () => all.filter(({ draining }) => !draining),
      findBot: (_slug, address) => all.find((bot) => bot.address === address),
    },
    leases,
    settings: loadConfig({ BOT_TOKENS: `crawler:${CRAWLER_TOKEN}`, ...settings }).bots,
    log,
  })
  return { router, lines, addresses: all.map(({ address }) => address) }
}
const start = (bot?: string) => ({ type: 'start', attempt: 1, bot }) as const

test('a request of a service without announced bots goes to LOCAL_API_URL', async () => {
  const { router } = useRouter([])
  expect(await router.choose(aRecord())).not.toHaveProperty('address')
})

test('a bot is called with the token that it announced itself with', async () => {
  const { router } = useRouter([{ name: 'crawler' }])
  expect(await router.choose(aRecord())).toMatchObject({ tokens: [CRAWLER_TOKEN] })
})

test('a bot outside BOT_ADDRESSES, or whose token was withdrawn, is not called, which is logged once', async () => {
  const { router, lines } = useRouter([{ address: 'http://10.0.0.7:9999' }, { name: 'unknown' }, {}])
  for (let i = 0; i < 3; i++)
    expect(await router.choose(aRecord())).toMatchObject({ url: 'http://127.0.0.1:9002' })
  expect(lines.map((line) => JSON.parse(line).why).sort()).toEqual([
    'its address is not within BOT_ADDRESSES',
    'its token was withdrawn',
  ])
  const { router: wider } = useRouter([{ address: 'http://10.0.0.7:9999' }], { BOT_ADDRESSES: '10.0.0.0/8' })
  expect(await wider.choose(aRecord())).toMatchObject({ url: 'http://10.0.0.7:9999' })
})

test('no bot is chosen when all are busy, and one is once a request is released', async () => {
  const { router } = useRouter([{ address: 'http://127.0.0.1:9100', concurrency: 1 }])
  const first = await router.choose(aRecord())
  expect(await router.choose(aRecord())).toBeNull()
  await first?.release()
  expect(await router.choose(aRecord())).not.toBeNull()
})

test('a request that waits for a code stays with its bot, also while that drains or is full', async () => {
  const { router } = useRouter([
    { address: 'http://127.0.0.1:9200', concurrency: 1, draining: true },
    { address: 'http://127.0.0.1:9201' },
  ])
  const waiting = applyCommands(aRecord(), [start('http://127.0.0.1:9200'), REQUIRE_OTP])
  for (let i = 0; i < 2; i++)
    expect(await router.choose({ ...waiting, hash: `${waiting.hash}${i}` })).toMatchObject({
      address: 'http://127.0.0.1:9200',
    })
})

test('a new attempt may go to any bot, and an interrupted one stays with its bot unless that drains', async () => {
  const { router, addresses } = useRouter([{ address: 'http://127.0.0.1:9300' }, { draining: true }])
  const interrupted = (bot: string) => applyCommands(aRecord(), [start(bot)])
  expect(await router.choose(interrupted(addresses[0] as string))).toMatchObject({ address: addresses[0] })
  expect(await router.choose(interrupted(addresses[1] as string))).toMatchObject({ address: addresses[0] })
})

test('a bot that could not be reached gets no new request for a while, unless there is no other', async () => {
  const { router, addresses } = useRouter([
    { address: 'http://127.0.0.1:9400' },
    { address: 'http://127.0.0.1:9401' },
  ])
  const [first, second] = addresses as [string, string]
  expect(router.avoid(applyCommands(aRecord(), [start(first)]))).toBe(true)
  for (let i = 0; i < 3; i++) expect(await router.choose(aRecord())).toMatchObject({ address: second })
  expect(router.avoid(applyCommands(aRecord(), [start(second)]))).toBe(false)
  expect(await router.choose(aRecord())).not.toBeNull()
  expect(router.avoid(applyCommands(aRecord(), [start()]))).toBe(false)
})

test('a bot that did not answer gets one request in the time that it was silent, until it answers', async (ctx) => {
  vi.useFakeTimers({ toFake: ['performance'] })
  ctx.onTestFinished(() => void vi.useRealTimers())
  const { router, addresses } = useRouter([
    { address: 'http://127.0.0.1:9500' },
    { address: 'http://127.0.0.1:9501' },
  ])
  const [silent, other] = addresses as [string, string]
  const called = async (): Promise<(string | undefined)[]> => {
    const chosen = [
      await router.choose(aRecord()),
      await router.choose(aRecord()),
      await router.choose(aRecord()),
    ]
    return chosen.map((bot) => bot?.address)
  }
  const silenced = applyCommands(aRecord(), [start(silent)])
  router.avoid(silenced, 180_000)
  expect(await called()).toEqual([other, other, other])
  vi.advanceTimersByTime(181_000)
  expect((await called()).filter((address) => address === silent)).toHaveLength(1)
  expect(await called()).toEqual([other, other, other])
  router.trust(silenced)
  expect((await called()).filter((address) => address === silent).length).toBeGreaterThan(1)
})

test('a request whose only bot drains waits for another one, and does not go to LOCAL_API_URL', async () => {
  const { router } = useRouter([{ draining: true }])
  expect(await router.choose(aRecord())).toBeNull()
})
