/**
 * What is asked for in one turn of the event loop is asked for together. Where many want the same kind of thing at once,
 * most of what it costs is its way through this process, and that is then gone once.
 *
 * @param answerAll answers in the order of what was asked; what it throws all of them are told
 */
export function gather<Ask, Answer>(
  mostAtOnce: number,
  answerAll: (asked: Ask[]) => Promise<(Answer | Promise<Answer>)[]>,
): (ask: Ask) => Promise<Answer> {
  interface Waiting {
    ask: Ask
    resolve(answer: Answer | Promise<Answer>): void
    reject(error: unknown): void
  }
  let waiting: Waiting[] = []

  async function answer(some: Waiting[]): Promise<void> {
    try {
      const answers = await answerAll(some.map(({ ask }) => ask))
      for (const [i, { resolve }] of some.entries()) resolve(answers[i] as Answer)
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
  }

  function answerThose(): void {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += mostAtOnce) void answer(all.slice(from, from + mostAtOnce))
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ ask, resolve, reject }) === 1) setImmediate(answerThose)
    })
}
