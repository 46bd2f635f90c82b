/** Substeps: they run concurrently while their step is current, and end with it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import type { Step, SubstepReport } from '../../../core/domain/step.ts'
import { normalizeForeignRecord, parseForeignRecord } from '../../../core/records/foreign-record.ts'
import { reconcile } from '../../../core/records/reconcile.ts'
import { applyCommands, aRecord, START, T0, TTL_SECONDS } from '../../helpers/record.ts'

const SERVICE = {
  slug: 'test-service',
  queue: { name: 'test-queue' },
  usual_seconds: 60,
  tries: 3,
  steps: [
    { id: 'first' },
    { id: 'asking' },
    { id: 'a', of: 'asking' },
    { id: 'b', of: 'asking' },
    { id: 'c', of: 'asking' },
    { id: 'last' },
  ],
}
const rules = { now: T0, ttlSeconds: TTL_SECONDS }
const started = applyCommands(aRecord({ now: T0, service: SERVICE }), [START])

const report = (step?: string, parts?: SubstepReport[], attempt = 1): Command => ({
  type: 'progress',
  attempt,
  progress: 10,
  step,
  parts,
})
const later = (record: RequestRecord, ...changes: Command[]): RequestRecord =>
  applyCommands(record, changes, Date.parse(record.updated_at) + 1000)
const stepOf = ({ steps }: RequestRecord, id: string): Step => steps.find((step) => step.id === id) as Step
const statesOf = ({ steps }: RequestRecord): string =>
  steps.map(({ id, state, outcome }) => `${id} ${outcome ?? state}`).join(', ')

const asking = later(started, report('asking'))

describe('substeps', () => {
  it('a new record contains substeps and leaves plain steps as they are', () => {
    expect(started.steps[2]).toEqual({
      id: 'a', state: 'waiting', started_at: null, finished_at: null, of: 'asking',
    }) // biome-ignore format: a record
    expect(Object.keys(started.steps[0] as Step)).toEqual(['id', 'state', 'started_at', 'finished_at'])
    expect(toPublicView(started, T0).steps).toEqual(started.steps)
  })

  it('substeps wait when their step becomes current', () => {
    expect(statesOf(asking)).toBe('first done, asking current, a waiting, b waiting, c waiting, last waiting')
  })

  it('substeps run in parallel, each with its own progress, which never falls', () => {
    const both = later(
      asking,
      report(undefined, [
        { id: 'a', state: 'current', progress: 40.7 },
        { id: 'b', state: 'current', progress: 400 },
      ]),
      report(undefined, [
        { id: 'a', state: 'current', progress: 30 },
        { id: 'b', state: 'waiting' },
        { id: 'c', state: 'current', progress: Number.NaN },
      ]),
    )
    expect(statesOf(both)).toBe('first done, asking current, a current, b current, c current, last waiting')
    expect(both.steps.map(({ progress }) => progress)).toEqual([undefined, undefined, 40, 100, 0, undefined])
    expect(stepOf(both, 'a').started_at).toBe(both.updated_at)
  })

  it('a finished substep keeps its outcome', () => {
    const started = later(asking, report(undefined, [{ id: 'a', state: 'current', progress: 50 }]))
    const over = later(started, report(undefined, [{ id: 'a', state: 'done', outcome: 'failed' }]))
    expect(stepOf(over, 'a')).toEqual({
      id: 'a',
      of: 'asking',
      state: 'done',
      outcome: 'failed',
      started_at: started.updated_at,
      finished_at: over.updated_at,
    })
    for (const state of ['current', 'waiting', 'done'] as const)
      expect(stepOf(later(over, report('asking', [{ id: 'a', state }])), 'a')).toEqual(stepOf(over, 'a'))
  })

  it('unfinished substeps are skipped when the request moves on or completes', () => {
    const half = later(
      asking,
      report(undefined, [
        { id: 'a', state: 'done' },
        { id: 'b', state: 'current', progress: 20 },
      ]),
    )
    const moved = later(half, report('last'))
    expect(statesOf(moved)).toBe('first done, asking done, a done, b skipped, c skipped, last current')
    expect(stepOf(moved, 'a')).not.toHaveProperty('outcome')
    expect(stepOf(moved, 'b')).not.toHaveProperty('progress')
    const completed = later(half, { type: 'complete', attempt: 1, result: null })
    expect(statesOf(completed)).toBe('first done, asking done, a done, b skipped, c skipped, last done')
    expect(completed.steps.filter(({ of }) => of === undefined).some((step) => 'outcome' in step)).toBe(false)
  })

  it('only substeps of the current step can be reported', () => {
    const parts: SubstepReport[] = ['first', 'asking', 'a', 'last', 'x'].map((id) => ({ id, state: 'done' }))
    expect(later(started, report('first', parts)).steps).toEqual(later(started, report('first')).steps)
    expect(statesOf(later(asking, report(undefined, parts)))).toBe(
      'first done, asking current, a done, b waiting, c waiting, last waiting',
    )
  })

  it('substeps are reset to waiting when a new attempt starts or their step is repeated', () => {
    const failed = later(asking, report(undefined, [{ id: 'a', state: 'done', outcome: 'failed' }]))
    const again = later(failed, { type: 'start', attempt: 2 })
    expect(statesOf(again)).toBe('first done, asking current, a waiting, b waiting, c waiting, last waiting')
    const back = later(failed, report('last'), report('asking'))
    expect(statesOf(back)).toBe(statesOf(again))
  })

  it('naming a substep as the step starts it and makes its step current', () => {
    const named = later(started, report('b'))
    expect(statesOf(named)).toBe('first done, asking current, a waiting, b current, c waiting, last waiting')
    expect(named.step).toBe('b')
  })

  it('substeps are active only while their step is current, whatever is reported', () => {
    const anyReports = fc.array(
      fc.record(
        {
          id: fc.constantFrom(...SERVICE.steps.map(({ id }) => id), 'unknown'),
          state: fc.constantFrom('waiting' as const, 'current' as const, 'done' as const),
          progress: fc.double(),
          outcome: fc.constantFrom('failed' as const, 'skipped' as const),
        },
        { requiredKeys: ['id', 'state'] },
      ),
    )
    const anyStep = fc.constantFrom(...SERVICE.steps.map(({ id }) => id), undefined)
    const anyChange = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(anyStep, anyReports).map(([step, parts]) => report(step, parts)) },
      { weight: 1, arbitrary: fc.constant<Command>({ type: 'complete', attempt: 1, result: 1 }) },
    )
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 12 }), (changes) => {
        let record = started
        for (const command of changes) {
          if (record.status === 'completed') break
          const before = record
          record = later(record, command)
          const mains = record.steps.filter(({ of }) => of === undefined)
          expect(mains.map(({ state }) => state).join(' ')).toMatch(/^(done ?)*(current ?)?(waiting ?)*$/)
          const parent = stepOf(record, 'asking').state
          const wasCurrent = stepOf(before, 'asking').state === 'current'
          for (const part of record.steps.filter(({ of }) => of !== undefined)) {
            if (parent !== 'current') expect(part.state).toBe(parent)
            if (parent === 'current' && wasCurrent && stepOf(before, part.id).state === 'done')
              expect(part).toEqual(stepOf(before, part.id))
            if (part.state === 'current') expect(part.progress).toSatisfy(isPercent)
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})

const isPercent = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 100

describe('substeps of a foreign write', () => {
  const written = (record: RequestRecord, steps: unknown): RequestRecord => {
    const parsed = parseForeignRecord(JSON.stringify({ ...record, steps }))
    if (!parsed) throw new Error('not readable as a record')
    return normalizeForeignRecord(parsed, rules)
  }

  it('valid substeps of a foreign record are accepted unchanged', () => {
    const steps = asking.steps.map((step) =>
      step.id === 'a' ? { ...step, state: 'current', progress: 33 } : step,
    )
    expect(written(asking, steps).steps).toEqual(steps)
  })

  it('invalid substeps of a foreign record are corrected without loss of the steps', () => {
    const plain = { state: 'waiting', started_at: null, finished_at: null }
    const { steps } = written({ ...asking, step: null }, [
      { id: 'x', ...plain, of: 7, progress: 'half', outcome: 'exploded' },
      { id: 'y', ...plain, of: 'nothing', progress: 1e9, outcome: 'failed' },
      { id: 'z', ...plain, of: 'x', progress: -3.5 },
      { id: 'part of a part', ...plain, of: 'z' },
    ])
    expect(JSON.parse(JSON.stringify(steps))).toEqual([
      { id: 'x', ...plain },
      { id: 'y', ...plain, progress: 100, outcome: 'failed' },
      { id: 'z', ...plain, of: 'x', progress: 0 },
      { id: 'part of a part', ...plain },
    ])
  })

  it('substeps of a foreign write are applied on top of a concurrent own write', () => {
    const own = later(asking, report(undefined, [{ id: 'a', state: 'done' }]))
    const steps = asking.steps.map((step) =>
      step.id === 'b' ? { ...step, state: 'current', progress: 5 } : step,
    )
    const foreign = parseForeignRecord(JSON.stringify({ ...asking, steps }))
    if (!foreign) throw new Error('not readable as a record')
    const merged = reconcile(own, foreign, rules)
    expect(statesOf(merged)).toBe('first done, asking current, a done, b current, c waiting, last waiting')
  })
})
