/** Why tests were skipped: `102 skipped: 60 need redis-server, 42 need Chromium`. */
import { readFileSync } from 'node:fs'
import type { TestCase } from 'vitest/node'

/** Skipped tests name what they need, `(needs jq)`; of the others those in files with this import need a browser, the rest a real Redis. */
const USES_BROWSER = /from '\.[^']*\/browsers\.ts'/

export function summarizeSkipped(skipped: readonly TestCase[]): string {
  const counts = new Map<string, number>()
  for (const test of skipped) {
    const reason = skipReason(test)
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  const reasons = [...counts].sort().map(([reason, count]) => `${count} need ${reason}`)
  return `${skipped.length} skipped: ${reasons.join(', ')}`
}

function skipReason({ module, fullName }: TestCase): string {
  const [, program] = /\(needs ([\w, -]+)\)$/.exec(fullName) ?? []
  if (program) return program
  if (!USES_BROWSER.test(readFileSync(module.moduleId, 'utf8'))) return 'redis-server'
  return fullName.includes('Firefox') ? 'Firefox' : 'Chromium'
}
