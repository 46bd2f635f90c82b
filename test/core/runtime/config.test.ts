import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createKeys } from '../../../core/redis/keys.ts'
import { DEVELOPMENT_TOKEN, loadConfig } from '../../../core/runtime/config.ts'
import { ENV_NAMES } from '../../../core/runtime/env-schema.ts'
import type { RedisTarget } from '../../../core/runtime/redis-target.ts'
import { StartupError } from '../../../core/runtime/startup-error.ts'

const PRODUCTION = {
  NODE_ENV: 'production',
  REDIS_URL: 'redis://redis:6379',
  LOCAL_API_TOKEN: randomBytes(24).toString('base64url'),
}
const redisOf = (env: Record<string, string>): RedisTarget => loadConfig(env).redis

/** @returns the errors of these settings, one per setting */
function errorsOf(env: Record<string, string | undefined>): string[] {
  try {
    loadConfig(env)
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError)
    return (error as StartupError).message.split('\n').slice(1)
  }
}

describe('the settings', () => {
  it('every setting has a default', () => {
    expect(loadConfig({})).toEqual({
      production: false,
      redis: { kind: 'embedded' },
      connections: {
        keyPrefix: '',
        clusterChannels: 'plain',
        dataKeys: [],
        connectTimeoutMs: 3000,
        commandTimeoutMs: 700,
        keepAliveMs: 5000,
      },
      nats: null,
      requestTtlSeconds: 1800,
      drainSeconds: 30,
      logLevel: 'info',
      metrics: { host: '127.0.0.1', ports: {} },
      isTraced: false,
      server: {
        host: '0.0.0.0',
        port: 3000,
        allowedOrigins: [],
        trustProxy: 0,
        languages: ['en', 'fa'],
        site: { links: [], timeZone: 'UTC', hasCredit: true },
        submitsPerMinute: 60,
        batchesPerMinute: 20,
        maxDelaySeconds: 86_400,
        topPriority: 5,
        maxUnfinishedPerSubmitter: 1000,
        maxUnfinishedPerQueue: 10_000,
        maxUnfinished: 20_000,
        closeAfterFailures: 0,
        actionsPerMinute: 60,
        socketsPerAddress: 100,
        streamsPerAddress: 50,
        statusReadsPerMinute: 12_000,
        ownerCheck: 'off',
        allowedHosts: [],
        keepLonger: false,
        subjectLimits: { codesPerHour: 5, wrongCodesPerHour: 10 },
        console: null,
        submitters: { ways: ['anyone'], keyDigests: {}, keysFile: undefined, header: undefined, jwt: null },
      },
      push: {
        isOn: true,
        contact: 'mailto:webmaster@example.com',
        hosts: [
          'fcm.googleapis.com',
          '*.push.services.mozilla.com',
          '*.push.apple.com',
          '*.notify.windows.com',
        ],
      },
      worker: { concurrency: 10 },
      bots: {
        url: 'http://127.0.0.1:9999',
        port: 9999,
        timeoutSeconds: 180,
        token: 'local-development-only',
        tokens: new Map([['default', ['local-development-only']]]),
        addresses: ['loopback'],
        host: '127.0.0.1',
        address: 'http://127.0.0.1:9999',
        concurrency: 100,
        halfwayUrl: null,
        ownToken: 'local-development-only',
      },
      concurrency: {
        driver: 'process',
        poolSize: 8,
        redis: { kind: 'embedded' },
        connections: { default: { kind: 'embedded' } },
        prefix: 'halfway:concurrency:',
      },
    })
  })

  it('the prefix of tasks differs between installations that share a Redis', () => {
    const prefixOf = (env: Record<string, string>) => loadConfig(env).concurrency.prefix
    expect(prefixOf({ KEY_PREFIX: 'app:' })).toBe('app:halfway:concurrency:')
    expect(prefixOf({ KEY_PREFIX: 'app:', CONCURRENCY_REDIS_PREFIX: 'tasks' })).toBe('tasks')
  })

  it('the loaded config is frozen', () => {
    const config = loadConfig({ REDIS_CLUSTER_NODES: 'a:1,b:2' })
    expect(() => Object.assign(config, { logLevel: 'x' })).toThrow(TypeError)
    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError)
    expect(() =>
      Object.assign((config.redis as { nodes: object[] }).nodes[0] as object, { port: 1 }),
    ).toThrow(TypeError)
  })

  it('an empty or blank setting counts as not set', () => {
    expect(loadConfig({ PORT: '', REDIS_URL: '  ', LOCAL_API_TOKEN: undefined })).toEqual(loadConfig({}))
  })

  it('all invalid settings are named in one error', () => {
    const wrong = {
      PORT: '70000', REDIS_URL: 'http://x', KEY_PREFIX: 'a b', LOCAL_API_URL: 'ftp://x', LOCAL_API_TIMEOUT: '301',
      LOCAL_API_TOKEN: 'short', WORKER_CONCURRENCY: '0', REQUEST_TTL: 'long', LOG_LEVEL: 'loud', ALLOWED_ORIGINS: 'x',
      REDIS_SENTINELS: 'nowhere', REDIS_CLUSTER_NODES: 'a:99999', NODE_ENV: 'prod',
      OWNER_CHECK: 'yes', PUSH: 'maybe', PUSH_CONTACT: 'http://x.example', PUSH_HOSTS: 'https://x.example/path',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
    } // biome-ignore format: a list
    const named = errorsOf(wrong).map((line) => /^ {2}- (\w+): ./.exec(line)?.[1])
    expect(named).toEqual(expect.arrayContaining(Object.keys(wrong)))
  })

  it('requests are traced where a collector is named', () => {
    expect(loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }).isTraced).toBe(true)
  })

  it('production refuses a weak token of metrics', () => {
    expect(errorsOf({ ...PRODUCTION, METRICS_TOKEN: 'choose-a-long-random-secret' })).toEqual([
      expect.stringMatching(/METRICS_TOKEN: .*openssl rand/),
    ])
  })

  it('production refuses a weak token of a bot, and an invalid list of tokens is named once', () => {
    expect(errorsOf({ ...PRODUCTION, BOT_TOKENS: 'crawler:aaaaaaaaaaaaaaaa' })).toEqual([
      expect.stringMatching(/BOT_TOKENS: crawler: /),
    ])
    for (const invalid of [
      'crawler',
      'crawler:short',
      'a:0123456789abcdef,a:0123456789abcdef',
      'a:0123456789abcdef,b:0123456789abcdef',
      'a:0123456789abcdef,a:123456789abcdef0,a:23456789abcdef01',
      'default:0123456789abcdef',
    ])
      expect(errorsOf({ ...PRODUCTION, BOT_TOKENS: invalid })).toEqual([
        expect.stringContaining('BOT_TOKENS: '),
      ])
  })

  it.each([
    [{ SUBMITTERS: 'everyone' }, 'SUBMITTERS'],
    [{ SUBMITTERS: 'keys' }, 'API_KEYS or API_KEYS_FILE'],
    [{ API_KEYS: 'shop:0123456789abcdef' }, 'API_KEYS'],
    [{ SUBMITTERS: 'keys', API_KEYS: 'shop:short' }, 'API_KEYS'],
    [{ SUBMITTERS: 'header' }, 'SUBMITTER_HEADER'],
    [{ SUBMITTERS: 'header', SUBMITTER_HEADER: 'X-User', TRUST_PROXY: '1' }, 'SUBMITTER_HEADER'],
    [{ SUBMITTERS: 'jwt', JWT_ISSUER: 'https://x.example', JWT_AUDIENCE: 'x' }, 'JWT_JWKS_URL'],
    [{ JWT_AUDIENCE: 'x' }, 'JWT_AUDIENCE'],
    [{ ...PRODUCTION, SUBMITTERS: 'keys', API_KEYS: 'shop:aaaaaaaaaaaaaaaa' }, 'API_KEYS: shop'],
    [
      {
        ...PRODUCTION,
        SUBMITTERS: 'jwt',
        JWT_ISSUER: 'https://x.example',
        JWT_AUDIENCE: 'x',
        JWT_JWKS_URL: 'http://x.example/keys',
      },
      'JWT_JWKS_URL',
    ],
  ])('who may submit is refused without what it needs: %j', (settings, named) => {
    expect(errorsOf(settings)).toEqual([expect.stringContaining(`- ${named}: `)])
  })

  it('the configuration has digests of API keys only', () => {
    const config = loadConfig({ SUBMITTERS: 'keys,anyone', API_KEYS: 'shop:0123456789abcdef' })
    expect(JSON.stringify(config)).not.toContain('0123456789abcdef')
    expect(config.server.submitters.keyDigests.shop).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)])
  })

  it('a bot may have two tokens, the newer one first', () => {
    const { bots } = loadConfig({ BOT_TOKENS: 'a:0123456789abcdef,b:23456789abcdef01,a:123456789abcdef0' })
    expect(bots.tokens.get('a')).toEqual(['0123456789abcdef', '123456789abcdef0'])
    expect(bots.tokens.get('b')).toEqual(['23456789abcdef01'])
  })

  it('the removed QUEUE_PREFIX is refused, with KEY_PREFIX named instead', () => {
    expect(errorsOf({ QUEUE_PREFIX: 'second' })).toEqual([
      expect.stringMatching(/QUEUE_PREFIX: no longer exists; set KEY_PREFIX/),
    ])
  })

  it('settings that are invalid alone and settings that conflict are named in one error', () => {
    expect(errorsOf({ NODE_ENV: 'production', PORT: 'many' })).toEqual([
      expect.stringContaining('PORT:'),
      expect.stringContaining('REDIS_URL:'),
      expect.stringContaining('LOCAL_API_TOKEN:'),
    ])
  })

  it('an invalid setting is not reported as missing, too', () => {
    expect(errorsOf({ ...PRODUCTION, REDIS_URL: 'nonsense' })).toEqual([
      expect.stringContaining('begins with redis://'),
    ])
  })
})

describe('production', () => {
  it('production starts with a configured Redis and token', () => {
    expect(loadConfig(PRODUCTION)).toMatchObject({
      production: true,
      bots: { token: PRODUCTION.LOCAL_API_TOKEN },
    })
  })

  it('production refuses to start without a Redis or without a token', () => {
    expect(errorsOf({ ...PRODUCTION, REDIS_URL: undefined })).toEqual([expect.stringContaining('REDIS_URL')])
    expect(errorsOf({ ...PRODUCTION, LOCAL_API_TOKEN: undefined })).toEqual([
      expect.stringContaining('LOCAL_API_TOKEN'),
    ])
  })
})

describe('a bot without Redis', () => {
  const token = () => randomBytes(24).toString('base64url')
  const BOT = { NODE_ENV: 'production', HALFWAY_URL: 'https://halfway.example', BOT_TOKEN: token() }

  it('needs the address of the server and its own token, in production too', () => {
    const { bots, redis } = loadConfig(BOT)
    expect(bots).toMatchObject({ halfwayUrl: BOT.HALFWAY_URL, ownToken: BOT.BOT_TOKEN })
    expect(redis.kind).toBe('single')
    expect(bots.token).not.toBe(DEVELOPMENT_TOKEN)
    expect(bots.tokens.get('default')).toEqual([bots.token])
  })

  it('uses LOCAL_API_TOKEN where it has no token of its own', () => {
    const shared = token()
    const { bots } = loadConfig({ HALFWAY_URL: BOT.HALFWAY_URL, LOCAL_API_TOKEN: shared })
    expect(bots.ownToken).toBe(shared)
  })

  it('a token without the server, and a weak one, are refused', () => {
    expect(errorsOf({ BOT_TOKEN: BOT.BOT_TOKEN })).toEqual([
      expect.stringContaining('BOT_TOKEN: has no effect'),
    ])
    expect(errorsOf({ ...BOT, BOT_TOKEN: 'choose-a-long-random-secret' })).toEqual([
      expect.stringContaining('BOT_TOKEN: is an example'),
    ])
    expect(errorsOf({ HALFWAY_URL: 'redis://localhost' })).toEqual([expect.stringContaining('HALFWAY_URL')])
  })
})

describe('Redis settings', () => {
  it('a Redis URL selects a single Redis', () => {
    for (const url of [
      'redis://localhost:6379',
      'rediss://user:pass@redis.example:6380/2',
      'unix:///run/redis.sock?db=1',
    ])
      expect(redisOf({ REDIS_URL: url })).toEqual({ kind: 'single', url })
  })

  it.each(['redis://', 'redis://host:port', 'redis://[::1', 'unix://', 'http://redis:6379'])(
    'an invalid REDIS_URL is refused: %s',
    (url) => {
      expect(errorsOf({ REDIS_URL: url })).toEqual([expect.stringContaining('REDIS_URL')])
    },
  )

  it('REDIS_HOST, REDIS_PORT or both select a single Redis', () => {
    const rest = { kind: 'single', password: undefined, db: 0 }
    expect(redisOf({ REDIS_HOST: 'redis' })).toEqual({ ...rest, host: 'redis', port: 6379 })
    expect(redisOf({ REDIS_PORT: '6380' })).toEqual({ ...rest, host: '127.0.0.1', port: 6380 })
    expect(redisOf({ REDIS_HOST: 'r', REDIS_PASSWORD: 'p', REDIS_DB: '3' })).toMatchObject({
      password: 'p',
      db: 3,
    })
  })

  it('a REDIS_PASSWORD of "null" counts as no password', () => {
    expect(redisOf({ REDIS_HOST: 'redis', REDIS_PASSWORD: 'null' })).toMatchObject({ password: undefined })
  })

  it('REDIS_SENTINELS and REDIS_SENTINEL_NAME select a Redis behind Sentinels', () => {
    expect(redisOf({ REDIS_SENTINELS: 'a:26379, b:26380', REDIS_SENTINEL_NAME: 'mymaster', REDIS_DB: '1' })).toEqual({
      kind: 'sentinel', name: 'mymaster', db: 1, password: undefined,
      sentinels: [{ host: 'a', port: 26379 }, { host: 'b', port: 26380 }],
    }) // biome-ignore format: one target
  })

  it('REDIS_CLUSTER_NODES select a Cluster, where all keys of a queue share a slot', () => {
    const config = loadConfig({ REDIS_CLUSTER_NODES: '[::1]:7000,10.0.0.1:7001' })
    expect(config.redis).toEqual({
      kind: 'cluster', password: undefined, nodes: [{ host: '::1', port: 7000 }, { host: '10.0.0.1', port: 7001 }],
    }) // biome-ignore format: one target
    expect(createKeys(config.connections, { isCluster: true }).queue('crawls')).toBe('halfway:{crawls}')
  })

  it('sharded channels need a Cluster', () => {
    const REDIS_CLUSTER_CHANNELS = 'sharded'
    expect(errorsOf({ REDIS_CLUSTER_CHANNELS })).toEqual([
      expect.stringMatching(/REDIS_CLUSTER_CHANNELS: only a Redis Cluster/),
    ])
    const { connections } = loadConfig({ REDIS_CLUSTER_CHANNELS, REDIS_CLUSTER_NODES: '10.0.0.1:7001' })
    expect(connections.clusterChannels).toBe('sharded')
  })

  it('the addresses of Sentinels name TLS and the user of the Sentinels, REDIS_USERNAME the user of the Redis behind them', () => {
    const others = { REDIS_SENTINEL_NAME: 'm', REDIS_USERNAME: 'works', REDIS_PASSWORD: 'p' }
    const expected = {
      kind: 'sentinel', name: 'm', db: 0, tls: true, username: 'works', password: 'p',
      sentinels: [{ host: 'a', port: 26379 }, { host: '::1', port: 26380 }], sentinelUsername: 'asks', sentinelPassword: 's,p',
    } // biome-ignore format: one target
    const addresses = 'rediss://asks:s%2Cp@a:26379, rediss://[::1]:26380'
    expect(redisOf({ ...others, REDIS_SENTINELS: addresses })).toEqual(expected)
    expect(
      redisOf({
        ...others,
        REDIS_SENTINELS: 'rediss://a:26379,rediss://[::1]:26380',
        REDIS_SENTINEL_USERNAME: 'asks',
        REDIS_SENTINEL_PASSWORD: 's,p',
      }),
    ).toEqual(expected)
  })

  it('the user and password of a Cluster are in its addresses, or in REDIS_USERNAME and REDIS_PASSWORD', () => {
    const expected = {
      kind: 'cluster',
      tls: true,
      nodes: [{ host: 'a', port: 1 }],
      username: 'u',
      password: 'p',
    }
    expect(redisOf({ REDIS_CLUSTER_NODES: 'rediss://u:p@a:1' })).toEqual(expected)
    const apart = { REDIS_CLUSTER_NODES: 'rediss://a:1', REDIS_USERNAME: 'u', REDIS_PASSWORD: 'p' }
    expect(redisOf(apart)).toEqual(expected)
  })

  it('the files of TLS are for every connection', () => {
    const files = { REDIS_TLS_CA: '/ca', REDIS_TLS_CERT: '/cert', REDIS_TLS_KEY: '/key' }
    for (const named of [
      { REDIS_URL: 'rediss://x' },
      { REDIS_CLUSTER_NODES: 'rediss://x:1' },
      { REDIS_CONNECTIONS: 'tasks=rediss://x' },
    ])
      expect(loadConfig({ ...files, ...named }).connections.tls).toEqual({
        ca: '/ca',
        cert: '/cert',
        key: '/key',
      })
  })

  it.each([
    ['REDIS_PASSWRD', 'REDIS_PASSWORD'],
    ['REDIS_USER', 'REDIS_USERNAME'],
    ['REDIS_CLUSTER', 'REDIS_CLUSTER_NODES'],
    ['REDIS_SENTINEL', 'REDIS_SENTINELS'],
    ['REDIS_TLS_CA_FILE', 'REDIS_TLS_CA'],
  ])('a setting of Redis that does not exist is refused with the nearest name: %s', (name, nearest) => {
    expect(errorsOf({ REDIS_HOST: 'redis', [name]: 'secret-value' })).toEqual([
      `  - ${name}: there is no such setting; did you mean ${nearest}?`,
    ])
  })

  it('the variables that Kubernetes sets for services named redis and redis-master change nothing', () => {
    const links = {
      REDIS_SERVICE_HOST: '10.0.0.1',
      REDIS_SERVICE_PORT: '6379',
      REDIS_SERVICE_PORT_CLIENT: '6379',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
      REDIS_PORT_6379_TCP: 'tcp://10.0.0.1:6379',
      REDIS_PORT_6379_TCP_PROTO: 'tcp',
      REDIS_PORT_6379_TCP_PORT: '6379',
      REDIS_PORT_6379_TCP_ADDR: '10.0.0.1',
      REDIS_MASTER_SERVICE_HOST: '10.0.0.2',
      REDIS_MASTER_PORT: 'tcp://10.0.0.2:6379',
      REDIS_MASTER_PORT_6379_TCP_ADDR: '10.0.0.2',
    }
    expect(loadConfig(links)).toEqual(loadConfig({}))
    expect(redisOf({ ...links, REDIS_HOST: 'r' })).toMatchObject({ host: 'r', port: 6379 })
  })

  it.each([
    [{ REDIS_URL: 'redis://u:p@x', REDIS_USERNAME: 'v' }, 'REDIS_USERNAME: has no effect beside REDIS_URL'],
    [{ REDIS_HOST: 'x', REDIS_USERNAME: 'u' }, 'REDIS_USERNAME: needs REDIS_PASSWORD'],
    [{ REDIS_HOST: 'x', REDIS_SENTINEL_PASSWORD: 'p' }, 'no effect without REDIS_SENTINELS'],
    [
      { REDIS_CLUSTER_NODES: 'rediss://u:p@a:1', REDIS_PASSWORD: 'q' },
      'no effect beside the addresses of REDIS_CLUSTER_NODES',
    ],
    [{ REDIS_CLUSTER_NODES: 'rediss://a:1,redis://b:1' }, 'TLS is for all of them'],
    [{ REDIS_CLUSTER_NODES: 'rediss://u:p@a:1,rediss://v:p@b:1' }, 'several users or passwords'],
    [{ REDIS_CLUSTER_NODES: 'rediss://a' }, 'with a port such as'],
    [{ REDIS_CLUSTER_NODES: 'rediss://a:1/2' }, 'must not name a database'],
    [
      { REDIS_URL: 'redis://x', REDIS_TLS_CA: '/ca' },
      'no effect without an address that begins with rediss://',
    ],
    [{ REDIS_URL: 'rediss://x', REDIS_TLS_KEY: '/key' }, 'each needs the other'],
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
  ])('conflicting or incomplete Redis settings are refused: %j', (env, message) => {
    expect(errorsOf(env)).toEqual([expect.stringContaining(message)])
  })

  it.each([
    { REDIS_URL: 'redis://x/3', REDIS_DB: '3' },
    { REDIS_URL: 'redis://x', REDIS_DB: '0', REDIS_PASSWORD: 'null' },
    { REDIS_URL: 'redis://:p@x', REDIS_PASSWORD: 'p' },
    { REDIS_DB: '0' },
  ])('redundant Redis settings that agree are accepted: %j', (env) => {
    expect(errorsOf(env)).toEqual([])
  })

  it('NATS_URL names one or several servers, with TLS and the user of all of them', () => {
    const natsOf = (NATS_URL: string, others = {}) => loadConfig({ NATS_URL, ...others }).nats
    const none = { tls: false, user: undefined, pass: undefined, token: undefined, credsFile: undefined }
    expect(natsOf('nats://nats')).toEqual({ ...none, servers: ['nats:4222'] })
    expect(natsOf('nats://u:p%2Fq@a:1, nats://u:p%2Fq@[::1]')).toEqual({
      ...none,
      servers: ['a:1', '[::1]:4222'],
      user: 'u',
      pass: 'p/q',
    })
    expect(natsOf('tls://t0ken@a')).toEqual({ ...none, servers: ['a:4222'], tls: true, token: 't0ken' })
    expect(natsOf('tls://a', { NATS_CREDS: '/creds' })).toMatchObject({ credsFile: '/creds' })
    const REDIS_CLUSTER_NODES = 'a:1'
    expect(natsOf('nats://a', { REDIS_CLUSTER_NODES, REDIS_CLUSTER_CHANNELS: 'both' })).not.toBeNull()
  })

  it.each([
    [{ NATS_URL: 'a:4222' }, 'NATS_URL: must be addresses such as'],
    [{ NATS_URL: 'nats://:s3cret@a/x' }, 'NATS_URL: must be addresses such as'],
    [{ NATS_URL: 'nats://a?s3cret' }, 'NATS_URL: must be addresses such as'],
    [{ NATS_URL: 'nats://a,http://b' }, 'NATS_URL: must be addresses such as'],
    [{ NATS_URL: ',' }, 'NATS_URL: must be addresses such as'],
    [{ NATS_URL: 'nats://a,tls://b' }, 'NATS_URL: has servers that differ in TLS'],
    [{ NATS_URL: 'nats://u:s3cret@a,nats://u:other@b' }, 'NATS_URL: has servers that differ in TLS'],
    [{ NATS_URL: 'tls://10.0.0.1' }, 'NATS_URL: must have host names'],
    [{ NATS_URL: 'tls://a,tls://[::1]:4222' }, 'NATS_URL: must have host names'],
    [{ NATS_CREDS: '/creds' }, 'NATS_CREDS: has no effect without NATS_URL'],
    [
      { NATS_URL: 'nats://u:s3cret@a', NATS_CREDS: '/creds' },
      'NATS_CREDS: has no effect beside NATS_URL with a user',
    ],
    [
      { NATS_URL: 'nats://a', REDIS_CLUSTER_NODES: 'a:1', REDIS_CLUSTER_CHANNELS: 'sharded' },
      'NATS_URL: needs REDIS_CLUSTER_CHANNELS=plain or both',
    ],
  ])('settings of NATS that are wrong are refused, without a password: %j', (env, message) => {
    const errors = errorsOf(env)
    expect(errors).toEqual([expect.stringContaining(message)])
    expect(errors.join()).not.toContain('s3cret')
  })

  it('CONCURRENCY_REDIS_CONNECTION is a name of REDIS_CONNECTIONS or an address', () => {
    const REDIS_CONNECTIONS = 'concurrency=redis://c/1, other=redis://o'
    const targetOf = (CONCURRENCY_REDIS_CONNECTION: string) =>
      loadConfig({ REDIS_CONNECTIONS, CONCURRENCY_REDIS_CONNECTION }).concurrency.redis
    expect(targetOf('concurrency')).toEqual({ kind: 'single', url: 'redis://c/1' })
    expect(targetOf('redis://x')).toEqual({ kind: 'single', url: 'redis://x' })
    expect(targetOf('default')).toEqual({ kind: 'embedded' })
  })

  it.each([
    [{ CONCURRENCY_REDIS_CONNECTION: 'nowhere' }, 'names no connection; there are: default'],
    [{ CONCURRENCY_REDIS_CONNECTION: 'constructor' }, 'names no connection'],
    [
      { CONCURRENCY_REDIS_CONNECTION: 'b', REDIS_CONNECTIONS: 'a=redis://x' },
      'names no connection; there are: default, a',
    ],
    [{ REDIS_CONNECTIONS: 'default=redis://x' }, 'must not name "default"'],
    [{ REDIS_CONNECTIONS: 'redis://x' }, 'must be name=redis://'],
    [{ REDIS_CONNECTIONS: 'a=http://x' }, 'a must be an address that begins with redis://'],
  ])('named connections that are wrong are refused: %j', (env, message) => {
    expect(errorsOf(env)).toEqual([expect.stringContaining(message)])
  })

  it.each(['REDIS_URL', 'CONCURRENCY_REDIS_CONNECTION'])(
    '%s with an ignored part is refused without its password',
    (name) => {
      for (const address of [
        'redis://:pw-of-ours@h/abc',
        'redis://:pw-of-ours@h:0',
        'redis://:pw-of-ours@h/1?db=2',
        'redis://:pw-of-ours@h?x=1',
      ])
        expect(errorsOf({ [name]: address })).toEqual([expect.not.stringContaining('pw-of-ours')])
    },
  )
})

describe('an address setting', () => {
  it.each([
    [{ ALLOWED_ORIGINS: 'https://a.example, https://b.example/only-here' }, 'an origin has no path'],
    [{ ALLOWED_ORIGINS: 'https://a.example/?x=1' }, 'must have no user, password, query or #'],
    [{ REDIS_HOST: 'redis://:pw-of-ours@h' }, 'is for REDIS_URL'],
    [{ REDIS_SENTINELS: 'pw-of-ours@h:26379', REDIS_SENTINEL_NAME: 'm' }, 'must be host:port'],
  ])(
    'an address setting with a part that would be ignored is refused without being repeated: %j',
    (env, message) => {
      const [error, ...others] = errorsOf(env)
      expect(error).toContain(message)
      expect(error).not.toContain('pw-of-ours')
      expect(others).toEqual([])
    },
  )

  it('an allowed origin may end in a slash', () => {
    expect(loadConfig({ ALLOWED_ORIGINS: 'https://a.example/' }).server.allowedOrigins).toEqual([
      'https://a.example',
    ])
  })
})

describe('the address of the bots', () => {
  it.each(['http://user:pw-of-ours@bots', 'http://bots/?x=pw-of-ours', 'http://bots/#x'])(
    'a LOCAL_API_URL with an ignored part is refused: %s',
    (address) => {
      expect(errorsOf({ LOCAL_API_URL: address })).toEqual([
        '  - LOCAL_API_URL: must have no user, password, query or #',
      ])
    },
  )
})

describe('production and the address of the bots', () => {
  const withUrl = (LOCAL_API_URL: string, settings = {}) =>
    errorsOf({ ...PRODUCTION, LOCAL_API_URL, ...settings })

  it('production refuses plain http to another host, and says how to allow it', () => {
    expect(withUrl('http://bots.internal:9999')).toEqual([
      '  - LOCAL_API_URL: sends the token and what people typed to bots.internal over plain http; use https://, or allow it by name with PLAIN_HTTP_BOTS=bots.internal',
    ])
    // BOT_ADDRESSES says which bots are called, not how.
    expect(withUrl('http://10.0.0.7', { BOT_ADDRESSES: '10.0.0.0/8' })).toHaveLength(1)
    expect(withUrl('http://bots.internal', { PLAIN_HTTP_BOTS: 'other.internal' })).toHaveLength(1)
  })

  it.each([
    ['http://127.0.0.1:9999', {}],
    ['http://localhost:9999', {}],
    ['http://[::1]:9999', {}],
    ['https://bots.example:9999', {}],
    ['http://bots.internal:9999/base', { PLAIN_HTTP_BOTS: 'other.internal, Bots.internal' }],
    ['http://10.0.0.7:9999', { PLAIN_HTTP_BOTS: '10.0.0.0/8' }],
  ])('production calls bots at %s with %j', (url, settings) => {
    expect(withUrl(url, settings)).toEqual([])
  })

  it('outside production plain http to another host is accepted', () => {
    expect(errorsOf({ LOCAL_API_URL: 'http://bots.internal' })).toEqual([])
  })
})

describe('.env.example', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8').split('\n')
  const settings = text.flatMap((line, i) => {
    const [, name, value] = /^# ([A-Z][A-Z_]+)=(.*)$/.exec(line) ?? []
    return name && value ? [{ name, value, comment: text[i - 1] ?? '' }] : []
  })

  it('.env.example lists every setting once, in the order of the schema, and nothing else', () => {
    expect(settings.map(({ name }) => name)).toEqual(ENV_NAMES)
  })

  it('.env.example sets nothing: every line is a comment', () => {
    expect(text.filter((line) => line !== '' && !line.startsWith('# '))).toEqual([])
  })

  it('.env.example explains each setting in one line above it', () => {
    for (const { name, comment } of settings) expect(comment, name).toMatch(/^# .+(Default|No default)/)
  })

  it('.env.example states the real defaults', () => {
    for (const { name, value, comment } of settings) {
      const [, stated] = /Default (\S+?)[,.]?( |$)/.exec(comment) ?? []
      if (!stated || stated === 'none' || comment.includes(' where ')) continue
      expect(value, name).toBe(stated)
      expect({ ...loadConfig({ [name]: value }), redis: null }, name).toEqual({
        ...loadConfig({}),
        redis: null,
      })
    }
  })

  it('.env.example shows a valid value for every setting', () => {
    const all = {
      ...Object.fromEntries(settings.map(({ name, value }) => [name, value])),
      SUBMITTERS: 'keys,jwt',
    }
    const alternatives = [
      ['REDIS_URL'],
      ['REDIS_HOST', 'REDIS_PORT'],
      ['REDIS_SENTINELS', 'REDIS_SENTINEL_NAME', 'REDIS_SENTINEL_USERNAME', 'REDIS_SENTINEL_PASSWORD'],
      ['REDIS_CLUSTER_NODES'],
    ]
    // Of these one is enough, and an example of a token is refused, so that no console has it. A header needs a list of proxies.
    const ofConsole = ['ADMIN_TOKEN', 'ADMIN_HEADER', 'SUBMITTER_HEADER']
    for (const names of alternatives) {
      const others = [...ofConsole, ...alternatives.flat().filter((name) => !names.includes(name))]
      expect(
        errorsOf(Object.fromEntries(Object.entries(all).filter(([name]) => !others.includes(name)))),
      ).toEqual([])
    }
  })
})

describe('TRUST_PROXY', () => {
  const read = (text: string) => loadConfig({ TRUST_PROXY: text }).server.trustProxy

  it('TRUST_PROXY accepts a number of proxies, or addresses, networks and names', () => {
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
    'TRUST_PROXY refuses %s',
    (text) => {
      expect(errorsOf({ TRUST_PROXY: text })).toEqual([
        expect.stringMatching(/TRUST_PROXY: must be a number up to 10/),
      ])
    },
  )
})
