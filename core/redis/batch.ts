/**
 * What is asked for in one turn of the event loop is asked for together. Where many want the same kind of thing at once,
 * most of what it costs is its way through this process, and that is then gone once.
 *
 * @param handleBatch answers in the order of what was asked; what it throws all of them are told
 */
export function createBatcher<Ask, Answer>(
  maxBatchSize: number,
  handleBatch: (asked: Ask[]) => Promise<(Answer | Promise<Answer>)[]>,
): (ask: Ask) => Promise<Answer> {
  interface Pending {
    ask: Ask
    resolve(answer: Answer | Promise<Answer>): void
    reject(error: unknown): void
  }
  let waiting: Pending[] = []

  async function answer(some: Pending[]): Promise<void> {
    try {
      const answers = await handleBatch(some.map(({ ask }) => ask))
      for (const [i, { resolve }] of some.entries()) resolve(answers[i] as Answer)
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
  }

  function flush(): void {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += maxBatchSize)
      void answer(all.slice(from, from + maxBatchSize))
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ ask, resolve, reject }) === 1) setImmediate(flush)
    })
}
