/** What a process needs to be allowed in Redis, compared with the ACL lines of docs/SECURITY.md and with the scripts. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeInEnglish } from '../../../core/presentation/describe-fault.ts'
import { createReadiness } from '../../../core/queue/readiness.ts'
import { openRedis, type RedisClient } from '../../../core/redis/connect.ts'
import { findMissingRights, QUEUES, type Rights } from '../../../core/redis/rights.ts'
import { ACL_CONF, ACL_LINES, type AclUser, addressFor, refusedByAcl } from '../../helpers/acl-lines.ts'
import { eventually } from '../../helpers/eventually.ts'
import { onRealRedis, quiet } from '../../helpers/redis.ts'
import { type RedisProcess, startCluster, startSingle } from '../../helpers/redis-servers.ts'

const USERS: [AclUser, Rights][] = [
  ['halfway-server', 'server'],
  ['halfway-workers', 'workers'],
  ['halfway-bots', 'bots'],
  ['halfway-cli', 'cli'],
  ['halfway-bridge', 'bridge'],
  ['halfway-tasks', { tasks: 'halfway:concurrency' }],
]

test("the rights of queues contain every command of the own scripts and of BullMQ's", () => {
  const bullmq = join(dirname(createRequire(import.meta.url).resolve('bullmq')), '../esm/scripts')
  const own = new URL('../../../core/redis/lua/', import.meta.url).pathname
  const files = [bullmq, own].flatMap((dir) => readdirSync(dir).map((file) => join(dir, file)))
  const scripts = files.filter((file) => /\.(js|lua)$/.test(file) && !/\/relay[A-Z]/.test(file))
  const used = scripts.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/call\(\s*["']([A-Za-z]+)["']/g)].map(([, name = '']) =>
      name.toLowerCase(),
    ),
  )
  const granted = QUEUES.split('|').map((text) => text.split(' ')[0] as string)
  const others = ['time', 'publish', 'spublish']
  expect(new Set(used).size).toBeGreaterThan(40)
  expect([...new Set(used)].filter((name) => !granted.includes(name) && !others.includes(name))).toEqual([])
})

describe.skipIf(!onRealRedis)('with the users of docs/SECURITY.md', () => {
  let redis: RedisProcess
  beforeAll(async () => {
    redis = await startSingle(ACL_CONF)
  })

  async function connect(user: AclUser, settings = {}, log = quiet): Promise<RedisClient> {
    const connections = await openRedis({ kind: 'single', url: addressFor(user, redis) }, log, settings)
    onTestFinished(() => connections.stop())
    return connections.connect('patient')
  }

  test.each(USERS)('the line of %s is enough', async (user, rights) => {
    const client = await connect(user, { rights })
    expect(await findMissingRights(client, client.names, rights)).toEqual([])
    expect(await refusedByAcl(redis)).toEqual([])
  })

  test.each([...ACL_LINES.keys()])('%s may not do what its process does not need', async (user) => {
    const client = await connect(user)
    for (const [name, ...args] of [
      ['FLUSHALL'], ['FLUSHDB'], ['KEYS', '*'], ['SHUTDOWN'], ['CONFIG', 'SET', 'maxmemory', '1'], ['ACL', 'LIST'], 
      ['MONITOR'], ['CLIENT', 'KILL', 'ID', '1'], ['REPLICAOF', 'NO', 'ONE'], ['SWAPDB', '0', '1'], ['SLOWLOG', 'GET'],
      ['GET', 'of-another-program'], ['PUBLISH', 'of-another-program', ''], ['FUNCTION', 'LIST'], ['RANDOMKEY'], ['DBSIZE'],
    ] as [string, ...string[]][])
      await expect(client.call(name, ...args), `${name} ${args}`).rejects.toThrow('NOPERM')
    await redis.run('ACL', 'LOG', 'RESET')
  }) // biome-ignore format: a table

  test('the user of bots reads no job, session, secret or limit, and lists no requests', async () => {
    const bots = await connect('halfway-bots')
    const hash = 'req_0123456789abcdefghijk'
    const { names } = bots
    for (const [command, key] of [
      ['HGETALL', `${names.queues}:crawls:${hash}`],
      ['ZRANGE', `${names.queues}:crawls:prioritized`],
      ['ZRANGE', names.session('s')],
      ['GET', names.secret],
      ['GET', names.oldSecret],
      ['GET', names.idempotency('a', 'b')],
      ['GET', names.refusal('a')],
      ['LRANGE', names.list],
      ['ZRANGE', names.deadlines],
      ['ZRANGE', names.failed],
      ['HGETALL', names.push(hash)],
    ] as [string, string][]) {
      const range = command.endsWith('RANGE') ? ['0', '-1'] : []
      await expect(bots.call(command, key, ...range), key).rejects.toThrow('NOPERM')
    }
    await expect(bots.call('SET', names.removed(hash), '1')).rejects.toThrow('NOPERM')
    await expect(bots.call('SCAN', '0')).rejects.toThrow('NOPERM')
    await redis.run('ACL', 'LOG', 'RESET')
  })

  test.each([
    ['-publish', 'the command publish'],
    ['-evalsha', 'the command evalsha'],
    ['-ping', 'the command ping'],
    ['-multi', 'the command multi'],
    ['-zrem', 'the command zrem'],
    ['-subscribe', 'the command subscribe'],
    ['resetchannels', 'the channel local_request_updates:req_*'],
    ['resetkeys', 'the key (reading) local_request:req_*'],
  ])(
    'a process does not start with the rule %s, and says in one sentence what its user lacks',
    async (rule, named) => {
      const line = ACL_LINES.get('halfway-bots') as string
      onTestFinished(async () => void (await redis.run('ACL', 'SETUSER', ...line.split(' ').slice(1))))
      await redis.run('ACL', 'SETUSER', 'halfway-bots', rule)
      const error = await connect('halfway-bots', { rights: 'bots' }).catch((thrown: Error) => thrown)
      expect((error as Error).message).toMatch(
        /^Cannot start: the user "halfway-bots" of Redis has no right to .*; the ACL lines are in docs\/SECURITY\.md, "Rights in Redis"\.$/,
      )
      expect((error as Error).message).toContain(named)
      await redis.run('ACL', 'LOG', 'RESET')
    },
  )

  test('the check of rights changes nothing, even for a user that may not queue commands', async () => {
    const rules = [['-multi'], ['+multi', '-ping'], ['+ping']]
    const client = await connect('halfway-bots')
    const { names } = client
    await redis.run('SET', names.otp('req_ANY'), 'kept')
    await redis.run('HSET', names.services.all, 'kept', '1')
    await redis.run('ZADD', names.deadlines, 1, 'kept')
    for (const rule of rules) {
      await redis.run('ACL', 'SETUSER', 'halfway-bots', ...rule)
      await findMissingRights(client, names, 'bots')
      expect(await redis.run('DBSIZE')).toBe(3)
      expect(await redis.run('GET', names.otp('req_ANY'))).toBe('kept')
    }
    await redis.run('FLUSHALL')
    await redis.run('ACL', 'LOG', 'RESET')
  })

  test('a right that is taken away later is one line in the log and makes the server not ready until it is back', async () => {
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line) => void lines.push(line) })
    const client = await connect('halfway-server', { rights: 'server' }, log)
    const readiness = () => createReadiness({ redis: client, queues: () => [] }).check()
    expect((await readiness()).checks.redis).toEqual([])
    await redis.run('ACL', 'SETUSER', 'halfway-server', '-zadd')
    for (let times = 0; times < 3; times++)
      await expect(client.zadd(client.names.deadlines, 1, 'a')).rejects.toThrow('NOPERM')
    await eventually(() => expect(lines).toHaveLength(1))
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      level: 50,
      user: 'halfway-server',
      reason: expect.stringMatching(
        /has no right to the command zadd; the ACL lines are in docs\/SECURITY\.md/,
      ),
    })
    expect(describeInEnglish((await readiness()).checks.redis)).toMatch(/no right to the command zadd/)
    await redis.run('ACL', 'SETUSER', 'halfway-server', '+zadd')
    expect((await readiness()).checks.redis).toEqual([])
    await redis.run('ACL', 'LOG', 'RESET')
  })

  test('in a Cluster the lines are enough with the additions of the document', async () => {
    const additions: Record<string, string> = { 'halfway-tasks': '~{halfway:concurrency}:*' }
    const sharded = '+spublish +ssubscribe +sunsubscribe'
    const lines = [...ACL_LINES].map(([user, line]) =>
      `${line.replace(/^user /, '')} +cluster|slots +readonly ${additions[user] ?? sharded}`.trim(),
    )
    const cluster = await startCluster({ user: lines })
    for (const [user, rights] of USERS) {
      const url = new URL(addressFor(user, redis))
      const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }))
      const target = { kind: 'cluster' as const, nodes, username: user, password: url.password }
      const own = typeof rights === 'object' ? { tasks: '{halfway:concurrency}' } : rights
      const connections = await openRedis(target, quiet, { rights: own, clusterChannels: 'both' })
      onTestFinished(() => connections.stop())
      const client = await connections.connect('patient')
      expect(await findMissingRights(client, client.names, own), user).toEqual([])
    }
    for (const node of cluster.nodes) expect(await refusedByAcl(node)).toEqual([])
  })
})
