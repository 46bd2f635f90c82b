/** What `doctor` and the processes find of secrets that others could read, and of an installation that is open to others. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkEncryption } from '../../cli/doctor/exposure.ts'
import type { Installation } from '../../cli/installation.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { ACL_CONF, addressFor, DEFAULT_USER } from '../helpers/acl-lines.ts'
import { createAuthority, noTls } from '../helpers/certificates.ts'
import { startChild } from '../helpers/child.ts'
import { useCli } from '../helpers/cli.ts'
import { onRealRedis, useFolder } from '../helpers/redis.ts'
import { type RedisProcess, startCluster, startSingle, tlsConf } from '../helpers/redis-servers.ts'

interface Finding {
  check: string
  result: 'ok' | 'warn' | 'fail'
  found: string
  todo: string | null
}
const TOKEN = 'mV3-qXz8_KdR5wBn2HtY'
const OTHER = 'pL7-cJs4_GfW9yQe6NuA'
const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 89 + 7) % 256)).toString('base64')
const NOWHERE = { url: 'redis://127.0.0.1:1' }

async function findings(
  settings: NodeJS.ProcessEnv,
  redis: { url: string } = NOWHERE,
): Promise<Map<string, Finding>> {
  const cli = useCli(redis, { NODE_ENV: 'production', LOCAL_API_TOKEN: TOKEN, ...settings })
  return new Map((await cli.json<Finding[]>('doctor')).map((one) => [one.check, one]))
}

describe.skipIf(process.platform === 'win32')('.env', () => {
  function useSettingsFile(mode: number): string {
    const folder = useFolder()
    writeFileSync(
      join(folder, '.env'),
      `LOCAL_API_TOKEN=${TOKEN}\nLOG_LEVEL=warn\nREDIS_URL=${NOWHERE.url}\n`,
    )
    chmodSync(join(folder, '.env'), mode)
    return folder
  }
  async function run(file: string, mode: number, ...args: string[]): Promise<string> {
    const child = startChild(file, args, { NODE_ENV: 'test' }, undefined, useSettingsFile(mode))
    expect(await child.ended).toBe(1)
    return child.output()
  }

  test.each(['server/main.ts', 'workers/main.ts'])(
    '%s warns once of a .env that others can read',
    async (file) => {
      for (const mode of [0o644, 0o640, 0o604])
        expect((await run(file, mode)).match(/chmod 600 \.env/g)).toHaveLength(1)
      const output = await run(file, 0o600)
      expect(output).not.toContain('chmod')
      expect(output).not.toContain(TOKEN)
    },
  )

  test('doctor warns of a .env that others can read', async () => {
    const find = async (mode: number) => {
      const all = JSON.parse(await run('cli/main.ts', mode, 'doctor', '--json')) as Finding[]
      return all.find(({ check }) => check === 'Settings file')
    }
    expect(await find(0o640)).toMatchObject({ result: 'warn', todo: 'chmod 600 .env' })
    expect(await find(0o600)).toMatchObject({ result: 'ok', todo: null })
  })
})

describe('tokens', () => {
  const check = async (settings: NodeJS.ProcessEnv) => {
    const all = await findings(settings)
    for (const secret of [TOKEN, OTHER, KEY]) expect(JSON.stringify([...all])).not.toContain(secret)
    return all.get('Tokens and keys')
  }

  test('doctor is content with tokens and keys that are all different', async () => {
    const settings = {
      BOT_TOKENS: `crawler:${OTHER}`,
      ADMIN_TOKEN: 'hB5-xMr1_TzC8vPk3SdE',
      METRICS_TOKEN: 'wN2-aYg6_LqU4jFi7ZoD',
      SUBMITTERS: 'keys',
      API_KEYS: 'shop:eR9-tKb3_VhO1mXp5CsG',
      DATA_KEY: KEY,
    }
    expect(await check(settings)).toMatchObject({ result: 'ok', found: 'are all different' })
  })

  test.each([
    ['LOCAL_API_TOKEN = BOT_TOKENS (crawler)', { BOT_TOKENS: `crawler:${TOKEN}` }],
    ['LOCAL_API_TOKEN = ADMIN_TOKEN', { ADMIN_TOKEN: TOKEN }],
    ['BOT_TOKENS (crawler) = ADMIN_TOKEN', { BOT_TOKENS: `crawler:${OTHER}`, ADMIN_TOKEN: OTHER }],
    ['LOCAL_API_TOKEN = METRICS_TOKEN', { METRICS_TOKEN: TOKEN }],
    ['LOCAL_API_TOKEN = API_KEYS (shop)', { SUBMITTERS: 'keys', API_KEYS: `shop:${TOKEN}` }],
    ['LOCAL_API_TOKEN = DATA_KEY', { LOCAL_API_TOKEN: KEY, DATA_KEY: KEY }],
    [
      'DATA_KEY = API_KEYS (shop)',
      { DATA_KEY: KEY, SUBMITTERS: 'keys', API_KEYS: `shop:${KEY.replace('=', '')}` },
    ],
  ])('doctor warns of %s', async (names, settings) => {
    expect(await check(settings)).toMatchObject({
      result: 'warn',
      found: `the same value in ${names}`,
      todo: expect.stringContaining('openssl rand'),
    })
  })
})

describe('console', () => {
  const check = async (settings: NodeJS.ProcessEnv) => (await findings(settings)).get('Console')

  test('doctor warns of a console in production without an https address', async () => {
    const found = expect.stringContaining('PUBLIC_URL is not set')
    expect(await check({ ADMIN_TOKEN: OTHER })).toMatchObject({ result: 'warn', found })
    expect(
      await check({ ADMIN_HEADER: 'X-User', TRUST_PROXY: '10.0.0.5', PUBLIC_URL: 'http://halfway.test' }),
    ).toMatchObject({ result: 'warn', found: expect.stringContaining('PUBLIC_URL is not https') })
    const safe = { ADMIN_TOKEN: OTHER, PUBLIC_URL: 'https://halfway.test' }
    expect(await check(safe)).toMatchObject({ result: 'ok', found: 'on' })
    expect(await check({ ADMIN_TOKEN: OTHER, NODE_ENV: 'test' })).toMatchObject({ result: 'ok', found: 'on' })
    expect(await check({})).toMatchObject({ result: 'ok', found: 'off' })
  })
})

describe('Redis over a network', () => {
  const check = async (settings: Record<string, string>) => {
    const config = loadConfig({ NODE_ENV: 'production', LOCAL_API_TOKEN: TOKEN, ...settings })
    return (await checkEncryption({ config } as Installation))[0]
  }

  test.each<[string, Record<string, string>]>([
    ['REDIS_URL', { REDIS_URL: 'redis://:secret@8.8.8.8' }],
    ['REDIS_HOST', { REDIS_HOST: '8.8.8.8' }],
    ['an IPv6 address', { REDIS_URL: 'redis://[2606:4700::1111]:6379' }],
    ['a node of a Cluster', { REDIS_CLUSTER_NODES: '10.0.0.1:6379,8.8.8.8:6379' }],
    ['a Sentinel', { REDIS_SENTINELS: '8.8.8.8:26379', REDIS_SENTINEL_NAME: 'master' }],
    [
      'that of tasks',
      {
        REDIS_HOST: 'localhost',
        CONCURRENCY_DRIVER: 'redis',
        CONCURRENCY_REDIS_CONNECTION: 'redis://8.8.8.8',
      },
    ],
  ])('doctor warns of plain redis:// to a public address: %s', async (_what, settings) => {
    const finding = await check(settings)
    expect(finding).toMatchObject({ result: 'warn', todo: expect.stringContaining('rediss://') })
    expect(finding?.found).toMatch(/to (?:8\.8\.8\.8|2606:4700::1111),/)
    expect(await check({ ...settings, NODE_ENV: 'test' })).toMatchObject({ result: 'ok' })
  })

  test.each<[string, Record<string, string>]>([
    ['TLS', { REDIS_URL: 'rediss://8.8.8.8' }],
    ['a Cluster with TLS', { REDIS_CLUSTER_NODES: 'rediss://8.8.8.8:6379' }],
    ['the loopback address', { REDIS_URL: 'redis://127.0.0.1' }],
    ['a private address', { REDIS_HOST: '10.1.2.3' }],
    ['a name of this machine', { REDIS_URL: 'redis://localhost:6379/1' }],
    ['a socket', { REDIS_URL: 'unix:///run/redis.sock' }],
    [
      'a Redis of tasks that is not used',
      { REDIS_HOST: 'localhost', CONCURRENCY_REDIS_CONNECTION: 'redis://8.8.8.8' },
    ],
  ])('doctor accepts %s', async (_what, settings) => {
    expect(await check(settings)).toMatchObject({ result: 'ok' })
  })
})

describe.skipIf(!onRealRedis)('Redis without a password', () => {
  const at = ({ host, port }: RedisProcess, user = ''): { url: string } => ({
    url: `redis://${user}${host}:${port}`,
  })
  const check = async (redis: { url: string }, settings = {}) =>
    (await findings(settings, redis)).get('Redis access')

  test('doctor warns of a Redis in production that serves everyone who reaches it', async () => {
    const redis = await startSingle()
    const open = { result: 'warn', found: expect.stringContaining('serves everyone') }
    expect(await check(at(redis))).toMatchObject(open)
    expect(await check(at(redis), { NODE_ENV: 'test' })).toMatchObject({ result: 'ok' })
    await redis.run('ACL', 'SETUSER', 'shop', 'on', '>a-password', '~*', '&*', '+@all')
    // A password in the settings keeps no other client out.
    const own = at(redis, 'shop:a-password@')
    expect(await check(own)).toMatchObject(open)
    await redis.run('ACL', 'SETUSER', 'shop', '-acl')
    expect(await check(own)).toMatchObject(open)
    await redis.run('ACL', 'SETUSER', 'default', 'off')
    expect(await check(own)).toMatchObject({ result: 'ok', found: 'asks for a password or a certificate' })
  })

  test('doctor accepts a Redis with the users of docs/SECURITY.md, and warns when the default user is missing there', async () => {
    const redis = await startSingle(ACL_CONF)
    const own = { url: addressFor('halfway-cli', redis) }
    expect(await check(own)).toMatchObject({ result: 'warn' })
    await redis.run('ACL', 'SETUSER', ...DEFAULT_USER)
    expect(await check(own)).toMatchObject({ result: 'ok' })
  })

  test('doctor accepts a Redis with requirepass', async () => {
    const redis = await startSingle()
    await redis.run('CONFIG', 'SET', 'requirepass', 'a-password')
    expect(await check(at(redis, ':a-password@'))).toMatchObject({ result: 'ok' })
  })

  test('doctor tries each master of a Cluster', async () => {
    const { settings, nodes } = await startCluster()
    const all = await useCli(NOWHERE, {
      NODE_ENV: 'production',
      LOCAL_API_TOKEN: TOKEN,
      REDIS_URL: undefined,
      ...settings,
    }).json<Finding[]>('doctor')
    expect(nodes).toHaveLength(6)
    expect(all.find((one) => one.check === 'Redis access')).toMatchObject({ result: 'warn' })
  })

  const reason = noTls()
  test.skipIf(reason !== null)('doctor accepts a Redis that asks for a certificate', async () => {
    const authority = createAuthority('The right CA')
    const { cert, key } = authority.issue('DNS:localhost,IP:127.0.0.1')
    const conf = tlsConf(authority.ca, { cert, key })
    const lax = await startSingle(conf)
    const strict = await startSingle({ ...conf, 'tls-auth-clients': 'yes' })
    const files = { REDIS_TLS_CA: authority.ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key }
    const over = ({ tlsPort }: RedisProcess) => check({ url: `rediss://127.0.0.1:${tlsPort}` }, files)
    expect(await over(lax)).toMatchObject({ result: 'warn' })
    expect(await over(strict)).toMatchObject({ result: 'ok' })
  })
})
