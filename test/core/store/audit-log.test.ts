/** The audit log in Redis, and the settings that it names when they change. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuditLog, MAX_AUDIT_ENTRIES, readAuditLog } from '../../../core/store/audit-log.ts'
import { auditChangedSettings } from '../../../core/store/changed-settings.ts'
import { useRedis } from '../../helpers/redis.ts'
import { redisContents } from '../../helpers/redis-contents.ts'
import { collectLog } from '../../helpers/server.ts'

const SECRET = {
  digest: (purpose: string, text: string) => createHmac('sha256', purpose).update(text).digest('base64url'),
}

async function useAudit() {
  const redis = await useRedis()
  const client = await redis.connections.connect('patient')
  const { log, lines } = collectLog()
  const audit = createAuditLog({ redis: client, log, process: 'server' })
  const read = (after?: string) => readAuditLog(client, { now: Date.now(), after })
  return { client, audit, lines, read }
}

test('an entry is a line of the log, and is read from Redis with its time and process', async () => {
  const { audit, lines, read } = await useAudit()
  await audit.add({ action: 'cancel', outcome: 'done', who: 'token', request: '7KQ2M4XR' })
  const [entry] = await read()
  expect(entry).toMatchObject({
    action: 'cancel',
    outcome: 'done',
    who: 'token',
    request: '7KQ2M4XR',
    process: 'server',
    at: expect.stringMatching(/^20\d\d-.*Z$/),
  })
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { action: 'cancel', process: 'server', msg: 'audit' },
  ])
})

test('the newest 1,000 entries are kept for seven days, and those after one can be read alone', async () => {
  const { client, audit, read } = await useAudit()
  await Promise.all(
    Array.from({ length: MAX_AUDIT_ENTRIES + 20 }, (_, i) =>
      audit.add({ action: 'hold', outcome: 'done', queue: `queue-${i}` }),
    ),
  )
  const all = await read()
  expect(all).toHaveLength(MAX_AUDIT_ENTRIES)
  expect(all.at(-1)?.queue).toBe(`queue-${MAX_AUDIT_ENTRIES + 19}`)
  expect((await read(all.at(-3)?.id)).map(({ queue }) => queue)).toEqual(
    all.slice(-2).map(({ queue }) => queue),
  )
  const days = (await client.ttl(client.names.audit)) / 86_400
  expect(days).toBeGreaterThan(6.9)
  expect(days).toBeLessThanOrEqual(7)
})

test('what another program has put in its place is replaced, and what it has added is left out', async () => {
  const { client, audit, read } = await useAudit()
  await client.set(client.names.audit, 'of another program')
  await audit.add({ action: 'open', outcome: 'done', service: 'a-service' })
  for (const foreign of [
    'no JSON',
    '[]',
    '{"action":"made_up","at":"2026-01-01"}',
    '{"action":"open","at":"never"}',
  ])
    await client.xadd(client.names.audit, '*', 'entry', foreign)
  await client.xadd(client.names.audit, '*', 'other', 'field')
  expect((await read()).map(({ service }) => service)).toEqual(['a-service'])
})

test('an entry that Redis does not take is in the log, and nothing is thrown', async () => {
  const { client, audit, lines } = await useAudit()
  client.disconnect()
  await audit.add({ action: 'close', outcome: 'done', service: 'a-service' })
  expect(lines.join('')).toContain('"service":"a-service"')
})

test('a start with other settings than the last one is an entry with their names, without their values', async () => {
  const { client, audit, read } = await useAudit()
  const start = (env: Record<string, string>, process = 'server') =>
    auditChangedSettings({ redis: client, secret: SECRET, audit }, process, env)
  const changes = async () => (await read()).map(({ settings }) => settings)

  await start({ OWNER_CHECK: 'off', CONTACT: 'mailto:old@example.com', PORT: '3000' })
  await start({ OWNER_CHECK: 'off', CONTACT: 'mailto:old@example.com', PORT: '3001' })
  await start({ OWNER_CHECK: 'off' }, 'workers')
  expect(await changes()).toEqual([])
  await start({
    OWNER_CHECK: 'actions',
    CONTACT: 'mailto:old@example.com',
    SITE_NAME: 'of-operators',
  })
  expect(await changes()).toEqual([['OWNER_CHECK', 'SITE_NAME']])
  await start({ OWNER_CHECK: 'actions', CONTACT: 'mailto:old@example.com' })
  expect(await changes()).toEqual([['OWNER_CHECK', 'SITE_NAME'], ['SITE_NAME']])
  const contents = JSON.stringify(await redisContents(client))
  for (const value of ['old@example.com', 'of-operators']) expect(contents).not.toContain(value)
})
