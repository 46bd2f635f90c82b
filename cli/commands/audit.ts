/** `audit`: prints the entries of the audit log in Redis; `--watch` also prints new ones. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readAuditLog, type StoredAuditEntry } from '../../core/store/audit-log.ts'
import type { Installation } from '../installation.ts'
import { type Cell, styled } from '../layout.ts'
import { type Context, EXIT, type ExitCode } from '../terminal.ts'

const WATCH_INTERVAL_MS = 1_000

export async function audit(
  context: Context,
  { redis, now }: Installation,
  { limit, watch = false }: { limit: number; watch?: boolean },
): Promise<ExitCode> {
  let after: string | undefined
  for (;;) {
    const entries = await readAuditLog(redis, { now: now(), limit, after })
    after = entries.at(-1)?.id ?? after
    if (context.json && watch) for (const entry of entries) context.printJson(entry, { inOneLine: true })
    else if (context.json) context.printJson(entries)
    else if (watch) for (const entry of entries) context.print(lineOf(entry))
    else if (entries.length > 0) context.printTable([HEADING, ...entries.map(row)], OPTIONAL)
    else context.print('The audit log is empty.')
    if (!watch) return EXIT.done
    // An interrupt ends the wait.
    await sleep(WATCH_INTERVAL_MS, undefined, { signal: context.signal }).catch(() => {})
    if (context.signal.aborted) return EXIT.done
  }
}

const HEADING = ['TIME', 'ACTION', 'OUTCOME', 'REASON', 'WHO', 'PROCESS', 'ABOUT']
const OPTIONAL = ['PROCESS']

const row = (entry: StoredAuditEntry): Cell[] => [
  entry.at.slice(0, 19).replace('T', ' '),
  entry.action,
  entry.outcome === 'refused' ? styled('yellow', entry.outcome) : entry.outcome,
  entry.reason ?? null,
  entry.who ?? entry.from ?? null,
  entry.process,
  aboutOf(entry) || null,
]

const lineOf = (entry: StoredAuditEntry): string =>
  row(entry)
    .filter((cell) => cell !== null)
    .map((cell) => (typeof cell === 'object' ? cell.text : cell))
    .join('  ')

const aboutOf = ({ request, queue, service, subject, settings, more }: StoredAuditEntry): string =>
  [
    request,
    queue,
    service,
    subject && `person ${subject}`,
    settings?.join(', '),
    more && `and ${more} more within a minute`,
  ]
    .filter(Boolean)
    .join(' · ')
