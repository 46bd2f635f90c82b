/**
 * `npm test` and `npm run test:…`: runs the tests, then prints the table of faults if there is one, what the skipped
 * tests need, and a last line for people and CI: `N passed, N failed, N skipped`. Takes Vitest's arguments:
 * `npm test -- test/core`, `npm test -- -t "final stays final"`.
 */
import { parseCLI, startVitest, type TestCase } from 'vitest/node'
import { type Fault, faultTable } from './faults/fault-meta.ts'
import { summarizeSkipped } from './skipped.ts'

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const vitest = await startVitest('test', filter, { ...options, watch: false })

const faults: Fault[] = []
const skipped: TestCase[] = []
const count = { passed: 0, failed: vitest.state.getUnhandledErrors().length }
const modules = vitest.state.getTestModules().toSorted((a, b) => a.moduleId.localeCompare(b.moduleId))
for (const module of modules) {
  const tests = [...module.children.allTests()]
  const states = tests.map((test) => test.result().state)
  faults.push(...tests.flatMap((test) => test.meta().fault ?? []))
  // A file that fails outside of its tests counts as a failed test.
  if (!module.ok() && !states.includes('failed')) count.failed++
  for (const test of tests) {
    const { state } = test.result()
    if (state === 'passed' || state === 'failed') count[state]++
    else skipped.push(test)
  }
}
await vitest.close()

if (faults.length > 0) process.stdout.write(`\n${faultTable(faults)}`)
// Tests that `-t` filtered out need nothing.
if (skipped.length > 0 && !options.testNamePattern) process.stdout.write(`\n${summarizeSkipped(skipped)}`)
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${skipped.length} skipped\n`)
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0
