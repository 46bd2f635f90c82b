/** TLS to a real Redis: single, behind Sentinels, as a Cluster. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'bullmq'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openRedis, type RedisConnections } from '../../../core/redis/connect.ts'
import { loadConfig } from '../../../core/runtime/config.ts'
import { createAuthority, noTls } from '../../helpers/certificates.ts'
import { eventually } from '../../helpers/eventually.ts'
import { quiet, useFolder } from '../../helpers/redis.ts'
import {
  type RedisProcess,
  startCluster,
  startSentinel,
  startSingle,
  tlsConf,
} from '../../helpers/redis-servers.ts'
import { useRedisUsers } from '../../helpers/redis-users.ts'

/** As docs/SECURITY.md has it. */
const SENTINEL_USER =
  'halfway-sentinel on >SENTINEL_PASSWORD -@all +sentinel|get-master-addr-by-name +sentinel|sentinels'
const reason = noTls()

describe.skipIf(reason !== null)(`TLS${reason ? ` (skipped: ${reason})` : ''}`, { timeout: 60_000 }, () => {
  const authority = createAuthority('The right CA')
  const other = createAuthority('Another CA')
  const certificate = authority.issue('DNS:localhost,IP:127.0.0.1')
  const onlyByName = authority.issue('DNS:localhost')
  const conf = tlsConf(authority.ca, certificate)

  type Settings = Record<string, string>
  function open(settings: Settings): Promise<RedisConnections> {
    const config = loadConfig(settings)
    return openRedis(config.redis, quiet, config.connections)
  }
  /** The sentence with which a process refuses to start. */
  async function refusal(settings: Settings): Promise<string> {
    const failure = async (): Promise<unknown> => {
      const connections = await open(settings)
      onTestFinished(() => connections.stop())
      return connections.connect('patient')
    }
    const error = await failure().then(
      () => new Error('it connected'),
      (thrown: unknown) => thrown as Error,
    )
    expect(error.message).toMatch(/^[^\n]+\.$/)
    return error.message
  }
  /** Connections of these clients are encrypted, by the server's own account. */
  const encryptedShare = async (server: RedisProcess): Promise<string> => {
    const list = String(await server.run('CLIENT', 'LIST'))
    const ports = [...list.matchAll(/ laddr=\S+:(\d+) .*? name=halfway:\S*/g)].map(([, port]) => Number(port))
    return `${ports.filter((port) => port === server.tlsPort).length} of ${ports.length}`
  }

  test('with the CA in REDIS_TLS_CA everything works over rediss://, and each connection is encrypted', async (context) => {
    const redis = await startSingle(conf)
    const users = await useRedisUsers(context, { ...redis.settings, REDIS_TLS_CA: authority.ca })
    await users.verify()
    // Three of a process, and the one that waits for jobs.
    expect(await encryptedShare(redis)).toBe('4 of 4')
  })

  test('another CA, or none, refuses to start', async () => {
    const redis = await startSingle(conf)
    const sentence =
      /its certificate is signed by no CA that is trusted: name the file of the right one in REDIS_TLS_CA/
    expect(await refusal({ ...redis.settings, REDIS_TLS_CA: other.ca })).toMatch(sentence)
    expect(await refusal(redis.settings)).toMatch(sentence)
  })

  test('NODE_TLS_REJECT_UNAUTHORIZED=0 does not turn the check off', async () => {
    const redis = await startSingle(conf)
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    onTestFinished(() => void delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
    expect(await refusal(redis.settings)).toMatch(/signed by no CA that is trusted/)
  })

  test('a certificate for another host name refuses to start', async () => {
    const redis = await startSingle(tlsConf(authority.ca, onlyByName))
    const REDIS_URL = `rediss://127.0.0.1:${redis.tlsPort}`
    expect(await refusal({ REDIS_URL, REDIS_TLS_CA: authority.ca })).toMatch(
      /its certificate is for another host name/,
    )
  })

  test('a Redis that wants a client certificate takes the one in REDIS_TLS_CERT, and refuses others', async (context) => {
    const redis = await startSingle({ ...conf, 'tls-auth-clients': 'yes' })
    const settings = { ...redis.settings, REDIS_TLS_CA: authority.ca }
    expect(await refusal(settings)).toMatch(
      /it wants a client certificate: name the files in REDIS_TLS_CERT and REDIS_TLS_KEY/,
    )
    const foreign = other.issue('DNS:client')
    expect(await refusal({ ...settings, REDIS_TLS_CERT: foreign.cert, REDIS_TLS_KEY: foreign.key })).toMatch(
      /it does not accept the client certificate in REDIS_TLS_CERT/,
    )
    const { cert, key } = authority.issue('DNS:client')
    const users = await useRedisUsers(context, { ...settings, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key })
    await users.verify()
  })

  test('rediss:// to a port without TLS, and redis:// to one with it, refuse to start', async () => {
    const redis = await startSingle(conf)
    const settings = { REDIS_URL: `rediss://127.0.0.1:${redis.port}`, REDIS_CONNECT_TIMEOUT_MS: '300' }
    expect(await refusal(settings)).toMatch(/no answer in time, as from a port without TLS/)
    expect(await refusal({ REDIS_URL: `redis://127.0.0.1:${redis.tlsPort}` })).toMatch(
      /no connection; a port for TLS needs rediss:/,
    )
  })

  test('a file of the settings that cannot be used is named', async () => {
    const noCertificate = join(useFolder(), 'nonsense.pem')
    writeFileSync(noCertificate, 'nonsense')
    const REDIS_URL = 'rediss://localhost:1'
    const [a, b] = [authority.issue('DNS:a'), authority.issue('DNS:b')]
    expect(await refusal({ REDIS_URL, REDIS_TLS_CA: '/nowhere.pem' })).toBe(
      'REDIS_TLS_CA: the file /nowhere.pem cannot be read (ENOENT).',
    )
    expect(await refusal({ REDIS_URL, REDIS_TLS_CA: noCertificate })).toMatch(
      /^REDIS_TLS_CA: .* no certificate/,
    )
    expect(await refusal({ REDIS_URL, REDIS_TLS_CERT: a.cert, REDIS_TLS_KEY: b.key })).toMatch(
      /^REDIS_TLS_KEY: .* does not belong/,
    )
    expect(await refusal({ REDIS_URL, REDIS_TLS_CERT: a.cert, REDIS_TLS_KEY: noCertificate })).toMatch(
      /^REDIS_TLS_KEY: /,
    )
  })

  test('a named connection uses the same CA', async () => {
    const redis = await startSingle(conf)
    const config = loadConfig({
      REDIS_CONNECTIONS: `tasks=${redis.settings.REDIS_URL}`,
      CONCURRENCY_REDIS_CONNECTION: 'tasks',
      REDIS_TLS_CA: authority.ca,
    })
    const connections = await openRedis(config.concurrency.redis, quiet, config.connections)
    onTestFinished(() => connections.stop())
    const redisClient = await connections.connect('patient')
    const worker = new Worker('tasks', async () => {}, {
      connection: redisClient,
      prefix: 'halfway:concurrency',
    })
    onTestFinished(() => worker.close(true))
    await worker.waitUntilReady()
    expect(await redisClient.ping()).toBe('PONG')
  })

  test('Sentinels with a user of their own and the servers behind them are reached over TLS, also after a failover', async (context) => {
    const sentinels = await startSentinel(conf, { user: SENTINEL_USER })
    for (const node of sentinels.dataNodes)
      await node.run('ACL', 'SETUSER', 'works', 'on', '>works-secret', '~*', '&*', '+@all')
    const settings = {
      ...sentinels.settings,
      REDIS_USERNAME: 'works',
      REDIS_PASSWORD: 'works-secret',
      REDIS_TLS_CA: authority.ca,
    }
    expect(await refusal({ ...settings, REDIS_TLS_CA: other.ca })).toMatch(/signed by no CA that is trusted/)
    const wrong = { REDIS_SENTINEL_USERNAME: 'halfway-sentinel', REDIS_SENTINEL_PASSWORD: 'wrong' }
    expect(await refusal({ ...settings, ...wrong })).toMatch(/the user or the password is wrong/)

    const users = await useRedisUsers(context, {
      ...settings,
      REDIS_SENTINEL_USERNAME: 'halfway-sentinel',
      REDIS_SENTINEL_PASSWORD: 'SENTINEL_PASSWORD',
    })
    await users.verify()
    expect(readFileSync(new URL('../../../docs/SECURITY.md', import.meta.url), 'utf8')).toContain(
      `user ${SENTINEL_USER}`,
    )
    const master = await sentinels.master()
    expect(await encryptedShare(master)).toBe('4 of 4')
    await master.end('SIGKILL')
    await eventually(async () => expect(await sentinels.master()).not.toBe(master), { withinMs: 20_000 })
    await users.verifyRecovery()
  })

  test('a Cluster whose nodes announce their host names is reached over TLS with a user in the addresses', async (context) => {
    const byName = tlsConf(authority.ca, onlyByName)
    const cluster = await startCluster({
      ...byName,
      'cluster-announce-hostname': 'localhost',
      'cluster-preferred-endpoint-type': 'hostname',
    })
    for (const node of cluster.nodes)
      await node.run('ACL', 'SETUSER', 'works', 'on', '>works-secret', '~*', '&*', '+@all')
    const REDIS_CLUSTER_NODES = cluster.nodes
      .map(({ tlsPort }) => `rediss://works:works-secret@localhost:${tlsPort}`)
      .join(',')
    const users = await useRedisUsers(context, { REDIS_CLUSTER_NODES, REDIS_TLS_CA: authority.ca })
    await users.verify()
    expect(await refusal({ REDIS_CLUSTER_NODES, REDIS_TLS_CA: other.ca })).toMatch(
      /signed by no CA that is trusted/,
    )
    expect(
      await refusal({
        REDIS_CLUSTER_NODES: REDIS_CLUSTER_NODES.replaceAll('localhost', '127.0.0.1'),
        REDIS_TLS_CA: authority.ca,
      }),
    ).toMatch(/its certificate is for another host name/)
  })
})
