/** `cleanup`: removes entries, jobs and keys without a request. */
import { createOrphans, type Orphans } from '../../core/actions/orphans.ts'
import type { Installation } from '../installation.ts'
import { type Context, EXIT, type ExitCode, plural } from '../terminal.ts'

/** Further items of a kind are only counted; `--json` prints all. */
const MAX_LISTED = 20

export async function cleanup(
  context: Context,
  installation: Installation,
  { dryRun = false }: { dryRun?: boolean },
): Promise<ExitCode> {
  const orphans = createOrphans(installation)
  const found = await orphans.find()
  if (!dryRun) await orphans.remove(found)
  if (context.json) context.printJson({ removed: !dryRun, ...found })
  else context.print(...report(found, dryRun))
  return EXIT.done
}

function report(found: Orphans, dryRun: boolean): string[] {
  const kinds: [string, string[]][] = [
    ['stray list entries', found.list_entries],
    ['stray checks', found.reminders],
    ['orphaned jobs', found.jobs.map(({ queue, hash }) => `${hash} in ${queue}`)],
    ['orphaned keys', found.keys],
  ]
  const total = kinds.reduce((sum, [, names]) => sum + names.length, 0)
  if (total === 0) return ['There is nothing to clean up.']
  const lines = kinds.flatMap(([kind, names]) => [
    `${kind}: ${names.length}`,
    ...names.slice(0, MAX_LISTED).map((name) => `  ${name}`),
    ...(names.length > MAX_LISTED ? [`  … and ${names.length - MAX_LISTED} more`] : []),
  ])
  return [...lines, `${dryRun ? 'Would remove' : 'Removed'} ${plural(total, 'item')}.`]
}
