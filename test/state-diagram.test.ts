/** The state diagram in docs/HOW-IT-WORKS.md, generated from the transition table. */
import { expect, it } from 'vitest'
import { STATUSES } from '../core/domain/record.ts'
import { TRANSITIONS } from '../core/domain/state-machine.ts'
import { read } from './docs/blocks.ts'

/** Mermaid source: one arrow for each pair of states, with the commands that lead along it. */
function stateDiagram(): string {
  const lines = STATUSES.flatMap((from) => {
    const byTarget = new Map<string, string[]>()
    for (const [command, to] of Object.entries(TRANSITIONS[from]))
      byTarget.set(to, [...(byTarget.get(to) ?? []), command])
    if (byTarget.size === 0) return [`  ${from} --> [*]`]
    return [...byTarget].map(([to, commands]) => `  ${from} --> ${to}: ${commands.join(', ')}`)
  })
  return ['stateDiagram-v2', '  [*] --> pending: create', ...lines].join('\n')
}

it('the state diagram of docs/HOW-IT-WORKS.md is the transition table', () => {
  const [, shown] = /```mermaid\n([\s\S]*?)\n```/.exec(read('docs/HOW-IT-WORKS.md')) ?? []
  expect(shown, 'copy the expected text into the block of the document').toBe(stateDiagram())
})
