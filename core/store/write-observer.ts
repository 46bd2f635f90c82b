/** Counts what the store writes (docs/METRICS.md). A write is counted by the process whose compare-and-set succeeded. */
import type { Catalog } from '../catalog/catalog.ts'
import { type Measured, measureWrite } from '../domain/measure-write.ts'
import { isFinal, type RequestRecord } from '../domain/record.ts'
import type { RejectionCode } from '../domain/state-machine.ts'
import { createLabelLimit, OTHER } from '../runtime/label-limit.ts'
import type { Instruments } from '../runtime/metrics.ts'

export interface WriteObserver {
  /** Called once for each record that is written, with the one before it. Null where that is unknown, and for the first. */
  onCommit(previous: RequestRecord | null, next: RequestRecord): void
  onForeignWrite(): void
  onConflict(): void
  onRefusal(reason: RejectionCode | 'request_not_found'): void
}

/** Services and their steps, of all labels together. */
const MAX_STEPS = 1_000

export function createWriteObserver(metrics: Instruments, catalog: Pick<Catalog, 'find'>): WriteObserver {
  const limitServices = createLabelLimit()
  const limitSteps = createLabelLimit(MAX_STEPS)

  /** Slugs and steps of other programs' records could be anything: only those of the catalogue are labels. */
  function labelsOf(slug: string) {
    const known = catalog.find(slug)
    const service = known ? limitServices(slug) : OTHER
    const stepOf = (id: string): string =>
      service !== OTHER &&
      known?.steps.some((step) => step.id === id) &&
      limitSteps(`${slug} ${id}`) !== OTHER
        ? id
        : OTHER
    return { service, stepOf }
  }

  function observe(slug: string, { isCreated, queueSeconds, codeSeconds, steps, end }: Measured): void {
    const { service, stepOf } = labelsOf(slug)
    if (isCreated) metrics.requestsCreated.inc({ service })
    if (queueSeconds !== undefined) metrics.queueSeconds.observe({ service }, queueSeconds)
    if (codeSeconds !== undefined) metrics.codeSeconds.observe({ service }, codeSeconds)
    for (const { id, seconds } of steps) metrics.stepSeconds.observe({ service, step: stepOf(id) }, seconds)
    if (!end) return
    metrics.requestsEnded.inc({ service, status: end.status })
    metrics.durationSeconds.observe({ service, status: end.status }, end.seconds)
    if (end.failure) metrics.requestsFailed.inc({ service, code: end.failure })
    if (end.arrival) metrics.arrivals.inc({ service, arrival: end.arrival })
  }

  return {
    onCommit: (previous, next) => observe(next.service_slug, measureWrite(previous, next)),
    onForeignWrite: () => metrics.foreignWrites.inc(),
    onConflict: () => metrics.writeConflicts.inc(),
    onRefusal: (reason) => metrics.writesRefused.inc({ reason }),
  }
}

/** @param onEnd called once with each request that this process has ended */
export const observeEnds = (
  observer: WriteObserver | undefined,
  onEnd: (record: RequestRecord) => unknown,
): WriteObserver => ({
  onCommit(previous, next) {
    observer?.onCommit(previous, next)
    if (isFinal(next.status) && !(previous && isFinal(previous.status))) onEnd(next)
  },
  onConflict: () => observer?.onConflict(),
  onForeignWrite: () => observer?.onForeignWrite(),
  onRefusal: (rejection) => observer?.onRefusal(rejection),
})
