/** What tests leave lying about, and its end: with the test file, or when the process is told to end before. */

type Clean = () => void | Promise<void>

const leftToClean = new Set<Clean>()

function takeLatest(): Clean | undefined {
  const latest = [...leftToClean].at(-1)
  if (latest) leftToClean.delete(latest)
  return latest
}

/** Runs `clean` after the file's tests, the latest first; may be called at any time, in the middle of a test too. */
export function cleanUp(clean: Clean): void {
  leftToClean.add(clean)
}

/** One after the other; what cannot be cleaned is told in the end and keeps nothing else from it. */
export async function cleanAll(): Promise<void> {
  const errors: unknown[] = []
  for (let clean = takeLatest(); clean; clean = takeLatest()) {
    try {
      await clean()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    // There is no time to wait for any of it.
    for (let clean = takeLatest(); clean; clean = takeLatest()) void clean()
    process.kill(process.pid, 'SIGKILL')
  })
