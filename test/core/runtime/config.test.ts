import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createKeys } from '../../../core/redis/keys.ts'
import { loadConfig, type RedisTarget } from '../../../core/runtime/config.ts'
import { ENV_NAMES } from '../../../core/runtime/env-schema.ts'
import { StartupError } from '../../../core/runtime/startup-error.ts'

const PRODUCTION = {
  NODE_ENV: 'production',
  REDIS_URL: 'redis://redis:6379',
  LOCAL_API_TOKEN: randomBytes(24).toString('base64url'),
}
const redisOf = (env: Record<string, string>): RedisTarget => loadConfig(env).redis

/** The complaints about these settings, one a setting. */
function complaints(env: Record<string, string | undefined>): string[] {
  try {
    loadConfig(env)
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError)
    return (error as StartupError).message.split('\n').slice(1)
  }
}

describe('the settings', () => {
  it('have a default each', () => {
    expect(loadConfig({})).toEqual({
      production: false,
      redis: { kind: 'embedded' },
      connections: {
        keyPrefix: '',
        connectTimeoutMs: 3000,
        commandTimeoutMs: 700,
        keepAliveMs: 5000,
      },
      requestTtlSeconds: 1800,
      drainSeconds: 30,
      logLevel: 'info',
      server: {
        host: '0.0.0.0',
        port: 3000,
        allowedOrigins: [],
        trustProxy: 0,
        submitsPerMinute: 60,
        batchesPerMinute: 20,
        maxDelaySeconds: 86_400,
        topPriority: 5,
        maxUnfinishedPerSubmitter: 1000,
        maxUnfinishedPerQueue: 10_000,
        maxUnfinished: 20_000,
        actionsPerMinute: 60,
        ownerCheck: 'off',
        subjectLimits: { codesPerHour: 5, wrongCodesPerHour: 10 },
      },
      worker: { concurrency: 10 },
      bots: {
        url: 'http://127.0.0.1:9999',
        port: 9999,
        timeoutSeconds: 180,
        token: 'local-development-only',
      },
      concurrency: { driver: 'process', poolSize: 8, connection: 'default', prefix: 'halfway:concurrency:' },
      demoPortal: { port: 9998, speed: 1 },
      linkCheck: { allowPrivate: false },
    })
  })

  it('keep the tasks of installations apart that share a Redis', () => {
    const prefixOf = (env: Record<string, string>) => loadConfig(env).concurrency.prefix
    expect(prefixOf({ KEY_PREFIX: 'app:' })).toBe('app:halfway:concurrency:')
    expect(prefixOf({ KEY_PREFIX: 'app:', CONCURRENCY_REDIS_PREFIX: 'tasks' })).toBe('tasks')
  })

  it('cannot be changed once they are read', () => {
    const config = loadConfig({ REDIS_CLUSTER_NODES: 'a:1,b:2' })
    expect(() => Object.assign(config, { logLevel: 'x' })).toThrow(TypeError)
    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError)
    expect(() =>
      Object.assign((config.redis as { nodes: object[] }).nodes[0] as object, { port: 1 }),
    ).toThrow(TypeError)
  })

  it('that are empty or blank count as not set', () => {
    expect(loadConfig({ PORT: '', REDIS_URL: '  ', LOCAL_API_TOKEN: undefined })).toEqual(loadConfig({}))
  })

  it('that are wrong are named all at once', () => {
    const wrong = {
      PORT: '70000', REDIS_URL: 'http://x', KEY_PREFIX: 'a b', LOCAL_API_URL: 'ftp://x', LOCAL_API_TIMEOUT: '301',
      LOCAL_API_TOKEN: 'short', WORKER_CONCURRENCY: '0', REQUEST_TTL: 'long', LOG_LEVEL: 'loud', ALLOWED_ORIGINS: 'x',
      REDIS_SENTINELS: 'nowhere', REDIS_CLUSTER_NODES: 'a:99999', LINK_CHECK_ALLOW_PRIVATE: 'maybe', NODE_ENV: 'prod',
      OWNER_CHECK: 'yes',
    } // biome-ignore format: a list
    const named = complaints(wrong).map((line) => /^ {2}- (\w+): ./.exec(line)?.[1])
    expect(named).toEqual(expect.arrayContaining(Object.keys(wrong)))
  })

  it('refuse QUEUE_PREFIX, which no longer exists, and name KEY_PREFIX', () => {
    expect(complaints({ QUEUE_PREFIX: 'second' })).toEqual([
      expect.stringMatching(/QUEUE_PREFIX: no longer exists; set KEY_PREFIX/),
    ])
  })

  it('that are wrong by themselves and wrong together are named in one message too', () => {
    expect(complaints({ NODE_ENV: 'production', PORT: 'many' })).toEqual([
      expect.stringContaining('PORT:'),
      expect.stringContaining('REDIS_URL:'),
      expect.stringContaining('LOCAL_API_TOKEN:'),
    ])
  })

  it('that are wrong by themselves are not called missing as well', () => {
    expect(complaints({ ...PRODUCTION, REDIS_URL: 'nonsense' })).toEqual([
      expect.stringContaining('begins with redis://'),
    ])
  })
})

describe('production', () => {
  it('starts with a Redis and a token of its own', () => {
    expect(loadConfig(PRODUCTION)).toMatchObject({
      production: true,
      bots: { token: PRODUCTION.LOCAL_API_TOKEN },
    })
  })

  it('refuses to start without a Redis, and without a token', () => {
    expect(complaints({ ...PRODUCTION, REDIS_URL: undefined })).toEqual([
      expect.stringContaining('REDIS_URL'),
    ])
    expect(complaints({ ...PRODUCTION, LOCAL_API_TOKEN: undefined })).toEqual([
      expect.stringContaining('LOCAL_API_TOKEN'),
    ])
  })
})

describe('the Redis they name', () => {
  it('is an address', () => {
    for (const url of [
      'redis://localhost:6379',
      'rediss://user:pass@redis.example:6380/2',
      'unix:///run/redis.sock?db=1',
    ])
      expect(redisOf({ REDIS_URL: url })).toEqual({ kind: 'single', url })
  })

  it.each(['redis://', 'redis://host:port', 'redis://[::1', 'unix://', 'http://redis:6379'])(
    'is no address such as %s',
    (url) => {
      expect(complaints({ REDIS_URL: url })).toEqual([expect.stringContaining('REDIS_URL')])
    },
  )

  it('is a host, a port or both', () => {
    const rest = { kind: 'single', password: undefined, db: 0 }
    expect(redisOf({ REDIS_HOST: 'redis' })).toEqual({ ...rest, host: 'redis', port: 6379 })
    expect(redisOf({ REDIS_PORT: '6380' })).toEqual({ ...rest, host: '127.0.0.1', port: 6380 })
    expect(redisOf({ REDIS_HOST: 'r', REDIS_PASSWORD: 'p', REDIS_DB: '3' })).toMatchObject({
      password: 'p',
      db: 3,
    })
  })

  it('has no password where .env files say null', () => {
    expect(redisOf({ REDIS_HOST: 'redis', REDIS_PASSWORD: 'null' })).toMatchObject({ password: undefined })
  })

  it('is what Sentinels watch', () => {
    expect(redisOf({ REDIS_SENTINELS: 'a:26379, b:26380', REDIS_SENTINEL_NAME: 'mymaster', REDIS_DB: '1' })).toEqual({
      kind: 'sentinel', name: 'mymaster', db: 1, password: undefined,
      sentinels: [{ host: 'a', port: 26379 }, { host: 'b', port: 26380 }],
    }) // biome-ignore format: one target
  })

  it('is a Cluster, whose queues then share a slot', () => {
    const config = loadConfig({ REDIS_CLUSTER_NODES: '[::1]:7000,10.0.0.1:7001' })
    expect(config.redis).toEqual({
      kind: 'cluster', password: undefined, nodes: [{ host: '::1', port: 7000 }, { host: '10.0.0.1', port: 7001 }],
    }) // biome-ignore format: one target
    expect(createKeys(config.connections, { isCluster: true }).queues).toBe('{halfway}')
  })

  it.each([
    [{ REDIS_URL: 'redis://x', REDIS_HOST: 'y' }, 'name one Redis, not several'],
    [{ REDIS_SENTINELS: 'a:1' }, 'each needs the other'],
    [{ REDIS_SENTINEL_NAME: 'm' }, 'each needs the other'],
    [{ REDIS_CLUSTER_NODES: 'a:1', REDIS_DB: '1' }, 'only database 0'],
    [{ REDIS_URL: 'redis://x', REDIS_DB: '1' }, 'REDIS_DB: has no effect beside REDIS_URL'],
    [{ REDIS_URL: 'redis://x/3', REDIS_DB: '0' }, 'REDIS_DB: has no effect beside REDIS_URL'],
    [{ REDIS_URL: 'redis://x', REDIS_PASSWORD: 'p' }, 'REDIS_PASSWORD: has no effect beside REDIS_URL'],
    [{ REDIS_URL: 'redis://:q@x', REDIS_PASSWORD: 'p' }, 'REDIS_PASSWORD: has no effect beside REDIS_URL'],
    [{ REDIS_URL: 'redis://x', REDIS_PORT: '6380' }, 'name one Redis, not several'],
    [
      { REDIS_URL: 'redis://x', REDIS_SENTINEL_NAME: 'm', REDIS_SENTINELS: 'a:1' },
      'name one Redis, not several',
    ],
    [{ REDIS_DB: '1' }, 'REDIS_DB: has no effect where no Redis is named'],
    [{ REDIS_PASSWORD: 'p' }, 'REDIS_PASSWORD: has no effect where no Redis is named'],
  ])('is named in one way and completely: %j', (env, complaint) => {
    expect(complaints(env)).toEqual([expect.stringContaining(complaint)])
  })

  it.each([
    { REDIS_URL: 'redis://x/3', REDIS_DB: '3' },
    { REDIS_URL: 'redis://x', REDIS_DB: '0', REDIS_PASSWORD: 'null' },
    { REDIS_URL: 'redis://:p@x', REDIS_PASSWORD: 'p' },
    { REDIS_DB: '0' },
  ])('may be named twice where both say the same: %j', (env) => {
    expect(complaints(env)).toEqual([])
  })

  it.each(['REDIS_URL', 'CONCURRENCY_REDIS_CONNECTION'])('has no part that is ignored, in %s', (name) => {
    for (const address of [
      'redis://:pw-of-ours@h/abc',
      'redis://:pw-of-ours@h:0',
      'redis://:pw-of-ours@h/1?db=2',
      'redis://:pw-of-ours@h?x=1',
    ])
      expect(complaints({ [name]: address })).toEqual([expect.not.stringContaining('pw-of-ours')])
  })
})

describe('an address with a part that would be ignored', () => {
  it.each([
    [{ ALLOWED_ORIGINS: 'https://a.example, https://b.example/only-here' }, 'an origin has no path'],
    [{ ALLOWED_ORIGINS: 'https://a.example/?x=1' }, 'must have no user, password, query or #'],
    [{ REDIS_HOST: 'redis://:pw-of-ours@h' }, 'is for REDIS_URL'],
    [{ REDIS_SENTINELS: 'pw-of-ours@h:26379', REDIS_SENTINEL_NAME: 'm' }, 'must be host:port'],
  ])('is refused, and not repeated: %j', (env, complaint) => {
    const [said, ...others] = complaints(env)
    expect(said).toContain(complaint)
    expect(said).not.toContain('pw-of-ours')
    expect(others).toEqual([])
  })

  it('may end in a slash', () => {
    expect(loadConfig({ ALLOWED_ORIGINS: 'https://a.example/' }).server.allowedOrigins).toEqual([
      'https://a.example',
    ])
  })
})

describe('the address of the bots', () => {
  it.each(['http://user:pw-of-ours@bots', 'http://bots/?x=pw-of-ours', 'http://bots/#x'])(
    'has no part that is ignored: %s',
    (address) => {
      expect(complaints({ LOCAL_API_URL: address })).toEqual([
        '  - LOCAL_API_URL: must have no user, password, query or #',
      ])
    },
  )
})

describe('.env.example', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8').split('\n')
  const settings = text.flatMap((line, i) => {
    const [, name, value] = /^# ([A-Z][A-Z_]+)=(.*)$/.exec(line) ?? []
    return name && value ? [{ name, value, comment: text[i - 1] ?? '' }] : []
  })

  it('lists every setting once, in their order, and none that is not one', () => {
    expect(settings.map(({ name }) => name)).toEqual(ENV_NAMES)
  })

  it('sets nothing by itself', () => {
    expect(text.filter((line) => line !== '' && !line.startsWith('# '))).toEqual([])
  })

  it('says in one line above each setting what it is and what happens without it', () => {
    for (const { name, comment } of settings) expect(comment, name).toMatch(/^# .+(Default|No default)/)
  })

  it('tells the true defaults', () => {
    for (const { name, value, comment } of settings) {
      const [, told] = /Default (\S+?)[,.]?( |$)/.exec(comment) ?? []
      if (!told || told === 'none' || comment.includes(' where ')) continue
      expect(value, name).toBe(told)
      expect({ ...loadConfig({ [name]: value }), redis: null }, name).toEqual({
        ...loadConfig({}),
        redis: null,
      })
    }
  })

  it('shows a value that is right for every setting', () => {
    const together = Object.fromEntries(settings.map(({ name, value }) => [name, value]))
    const ways = [
      ['REDIS_URL'],
      ['REDIS_HOST', 'REDIS_PORT'],
      ['REDIS_SENTINELS', 'REDIS_SENTINEL_NAME'],
      ['REDIS_CLUSTER_NODES'],
    ]
    for (const way of ways) {
      const others = ways.flat().filter((name) => !way.includes(name))
      expect(
        complaints(Object.fromEntries(Object.entries(together).filter(([name]) => !others.includes(name)))),
      ).toEqual([])
    }
  })
})

describe('TRUST_PROXY', () => {
  const read = (text: string) => loadConfig({ TRUST_PROXY: text }).server.trustProxy

  it('is a number of proxies, or their addresses, networks and names', () => {
    expect(read('0')).toBe(0)
    expect(read('10')).toBe(10)
    expect(read('loopback')).toEqual(['loopback'])
    expect(read(' 10.0.0.0/8, ::1 ,fc00::/7,192.0.2.1')).toEqual([
      '10.0.0.0/8',
      '::1',
      'fc00::/7',
      '192.0.2.1',
    ])
  })

  it.each(['11', '-1', '1.2', 'true', '*', 'proxy.example', '10.0.0.0/33', '10.0.0.0/8/8', '::1/129', ','])(
    'is refused as %s',
    (text) => {
      expect(complaints({ TRUST_PROXY: text })).toEqual([
        expect.stringMatching(/TRUST_PROXY: must be a number up to 10/),
      ])
    },
  )
})
