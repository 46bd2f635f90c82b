/**
 * `npm test`: every test, then one last line that people and CI can read: `N passed, N failed`. Arguments are
 * Vitest's own: `npm test -- test/core`, `npm test -- -t "final stays final"`.
 */
import { parseCLI, startVitest } from 'vitest/node'

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const vitest = await startVitest('test', filter, { ...options, watch: false })

const count = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 }
for (const module of vitest.state.getTestModules()) {
  const states = [...module.children.allTests()].map((test) => test.result().state)
  // A file that breaks before or after its tests has failed too.
  if (!module.ok() && !states.includes('failed')) count.failed++
  for (const state of states) count[state === 'pending' ? 'skipped' : state]++
}
await vitest.close()

const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`)
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0
