/** `audit`: prints the audit log, which also has what operators do by command. */
import { userInfo } from 'node:os'
import { expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { createAuditLog, type StoredAuditEntry } from '../../core/store/audit-log.ts'
import { announceServices } from '../helpers/announced.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { aRecord, START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { creditScoreRating } from '../helpers/services.ts'

const DATA = { mobile: '09123456789', national_code: '0012345679' }
const FAIL: Command = { type: 'fail', error: { code: 'other', message: 'no', retryable: true } }

async function useAuditedCli() {
  const redis = await useRedis()
  const requests = await useRequests(redis)
  await announceServices(requests.client)
  const cli = useCli(redis)
  const entries = () => cli.json<StoredAuditEntry[]>('audit')
  return { ...requests, cli, entries }
}

test('cancel, retry, hold, resume, limit, close and open are entries with the user of the machine', async () => {
  const { cli, entries, given, store, applyCommand } = await useAuditedCli()
  const { hash } = (await given(START)).record
  const { slug } = creditScoreRating
  const record = aRecord({ service: creditScoreRating, service_slug: slug, request_data: DATA })
  const { hash: failed } = record
  await store.create(record)
  await applyCommand(failed, START)
  await applyCommand(failed, FAIL)
  await cli.run('cancel', hash, '--reason', 'Ann Smith called')
  await cli.run('failed', 'retry', failed)
  await cli.run('queues', 'hold', 'inquiries', '--message', 'Maintenance')
  await cli.run('queues', 'resume', 'inquiries')
  await cli.run('queues', 'limit', 'inquiries', '--concurrency', '2')
  await cli.run('services', 'close', 'link-check')
  await cli.run('services', 'open', 'link-check')
  const found = await entries()
  expect(found.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    'cancel done',
    'send_again done',
    'hold done',
    'resume done',
    'limit done',
    'close done',
    'open done',
  ])
  expect(found.map(({ request, queue, service }) => request ?? queue ?? service)).toEqual([
    shortReference(hash),
    shortReference(failed),
    'inquiries',
    'inquiries',
    'inquiries',
    'link-check',
    'link-check',
  ])
  expect(new Set(found.map(({ who }) => who))).toEqual(new Set([`cli:${userInfo().username}`]))
  for (const secret of [hash, failed, 'Ann Smith', 'Maintenance'])
    expect(JSON.stringify(found)).not.toContain(secret)
})

test('what was refused is an entry with its code, without a name that may be any text', async () => {
  const { cli, entries } = await useAuditedCli()
  await cli.run('queues', 'hold', '09123456789')
  const found = await entries()
  expect(found).toMatchObject([{ action: 'hold', outcome: 'refused', reason: 'not_found' }])
  expect(JSON.stringify(found)).not.toContain('09123456789')
})

test('audit prints a table, at most as many entries as --limit, and with --watch each further one', async () => {
  const { cli, client } = await useAuditedCli()
  expect((await cli.run('audit')).out).toBe('The audit log is empty.\n')
  const audit = createAuditLog({ redis: client, log: quiet, process: 'server' })
  for (const more of [1, 2, 3])
    await audit.add({ action: 'call', outcome: 'refused', reason: 'unauthorized', from: 'kX9_aB-z', more })
  const { out } = await cli.run('audit', '--limit', '2')
  expect(out.trim().split('\n')).toHaveLength(3)
  expect(out).toMatch(/^TIME +ACTION +OUTCOME +REASON +WHO +PROCESS +ABOUT$/m)
  expect(out).toMatch(/call +refused +unauthorized +kX9_aB-z +server +and 3 more within a minute/)

  const watching = cli.start(['audit', '--watch'])
  await eventually(() => expect(watching.out()).toContain('and 3 more'))
  await audit.add({ action: 'close', outcome: 'done', who: 'token', service: 'link-check' })
  await eventually(() => expect(watching.out()).toMatch(/close {2}done {2}token {2}server {2}link-check/))
  watching.interrupt()
  expect(await watching.ended).toMatchObject({ code: 0 })
})
