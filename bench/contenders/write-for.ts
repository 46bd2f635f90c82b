/**
 * One writer for each request, each of which writes again as soon as Redis has its last write.
 *
 * @param write its `message` differs in every write to a request
 * @returns writes a second
 */
export async function writeFor(
  hashes: string[],
  ms: number,
  write: (hash: string, message: string) => Promise<unknown>,
): Promise<number> {
  const start = performance.now()
  let writes = 0
  await Promise.all(
    hashes.map(async (hash) => {
      while (performance.now() < start + ms) await write(hash, `message ${++writes}`)
    }),
  )
  return (writes / (performance.now() - start)) * 1000
}
