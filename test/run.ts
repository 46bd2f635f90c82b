/**
 * `npm test` and `npm run test:faults`: every test, the table of faults if there were any, then one last line that
 * people and CI can read: `N passed, N failed`. Arguments are Vitest's own: `npm test -- test/core`,
 * `npm test -- -t "final stays final"`.
 */
import { parseCLI, startVitest } from 'vitest/node'
import { type Fault, faultTable } from './faults/fault-meta.ts'

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const vitest = await startVitest('test', filter, { ...options, watch: false })

const faults: Fault[] = []
const count = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 }
const modules = vitest.state.getTestModules().toSorted((a, b) => a.moduleId.localeCompare(b.moduleId))
for (const module of modules) {
  const tests = [...module.children.allTests()]
  const states = tests.map((test) => test.result().state)
  faults.push(...tests.flatMap((test) => test.meta().fault ?? []))
  // A file that breaks before or after its tests has failed too.
  if (!module.ok() && !states.includes('failed')) count.failed++
  for (const state of states) count[state === 'pending' ? 'skipped' : state]++
}
await vitest.close()

if (faults.length > 0) process.stdout.write(`\n${faultTable(faults)}`)
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`)
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0
