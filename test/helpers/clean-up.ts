/** Cleans up after a test file, or when the process gets a signal before. */

type Clean = () => void | Promise<void>

const pending = new Set<Clean>()

function takeLatest(): Clean | undefined {
  const latest = [...pending].at(-1)
  if (latest) pending.delete(latest)
  return latest
}

/** Runs `clean` after the file's tests, the latest first. May be called at any time, also inside a test. */
export function cleanUp(clean: Clean): void {
  pending.add(clean)
}

/** Runs all, one after the other, and throws the first error at the end. */
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
    // There is no time to await them.
    for (let clean = takeLatest(); clean; clean = takeLatest()) void clean()
    process.kill(process.pid, 'SIGKILL')
  })
