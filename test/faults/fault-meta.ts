/**
 * What a fault test reports for the table that `npm run test:faults` prints: set `ctx.task.meta.fault`, to several when
 * one test shows several.
 */
export interface Fault {
  /** Its name in the table. */
  name: string
  /** How many requests (or clients) went through it. */
  requests: number
  /** How many of them ended correctly, with every page correct. */
  survived: number
  /** A measured figure to show. */
  note?: string
}

declare module 'vitest' {
  interface TaskMeta {
    fault?: Fault | Fault[]
  }
}

/** One line a fault: how many requests it affected and how many ended correctly. */
export function faultTable(faults: readonly Fault[]): string {
  const rows = faults.map(({ name, requests, survived, note }) => [
    name,
    String(requests),
    String(survived),
    note ?? '',
  ])
  const table = [['fault', 'requests', 'survived', 'note'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => (row[column] as string).length)))
  const line = (row: string[]): string =>
    [
      (row[0] as string).padEnd(widths[0] as number),
      (row[1] as string).padStart(widths[1] as number),
      (row[2] as string).padStart(widths[2] as number),
      row[3],
    ].join('  ')
  return table.map((row) => `${line(row).trimEnd()}\n`).join('')
}
