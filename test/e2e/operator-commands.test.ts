/** Every command that the documents for operators show, run in their order against a real installation. */
import { describe, expect, it } from 'vitest'
import { openRedis } from '../../core/redis/connect.ts'
import { createRequestStore, type RequestStore } from '../../core/store/request-store.ts'
import { blocksOf } from '../docs/blocks.ts'
import { startDocumented } from '../docs/installation.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { findExecutable } from '../helpers/executables.ts'
import { aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'

const blocks = ['docs/OPERATE.md', 'docs/RUNBOOK.md', 'CHANGELOG.md']
  .flatMap(blocksOf)
  .filter(({ language }) => language === 'sh')
const commands = [...new Set(blocks.flatMap(({ text }) => text.trim().split('\n')))]
/** The JavaScript Redis has no CONFIG and no SCAN by pattern. */
const canRun = onRealRedis && ['bash', 'curl', 'openssl'].every((name) => findExecutable(name) !== undefined)

const installation = canRun ? await start() : null

async function start() {
  const halfway = await startDocumented()
  cleanUp(() => void halfway.stop())
  const connections = await openRedis({ kind: 'single', url: halfway.redis.url }, quiet)
  cleanUp(() => connections.stop())
  const redis = await connections.connect('patient')
  return { shell: halfway.openShell(), store: createRequestStore({ redis, ttlSeconds: TTL_SECONDS }) }
}

const HOUR_MS = 3_600_000

/** The hash of a request of the kind that a command is for. */
async function createFor(command: string, store: RequestStore): Promise<string> {
  const run_at = command.includes(' cancel ') ? new Date(Date.now() + HOUR_MS).toISOString() : null
  const record = aRecord({ service_slug: 'link-check', request_data: { url: 'http://127.0.0.1:9/' }, run_at })
  await store.create(record)
  const end = command.includes(' retry ')
    ? ({ type: 'fail', error: { code: 'failed', message: 'It failed.', retryable: false } } as const)
    : ({ type: 'complete', attempt: 0, result: { pages: 1 } } as const)
  if (run_at === null) expect(await store.apply(record.hash, end)).toMatchObject({ ok: true })
  return record.hash
}

describe.skipIf(!installation)('commands of docs/OPERATE.md, docs/RUNBOOK.md and CHANGELOG.md', () => {
  it.each(commands)('%s does what the document says', async (command) => {
    const { shell, store } = installation as NonNullable<typeof installation>
    shell.hash = await createFor(command, store)
    const output = await shell.run({ text: command })
    expect(output.trim()).not.toBe('')
    if (command.startsWith('npm run start') || command.includes('processor'))
      expect(output).toContain('started')
    if (command.startsWith('curl')) expect(output).toContain('HTTP/1.1 200')
    if (command.startsWith('redis-cli')) expect(output).not.toMatch(/^(?:ERR|WRONGTYPE|NOAUTH)/m)
  })
})
