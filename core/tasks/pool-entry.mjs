/** What a process or thread of the pool loads first. From the sources it registers tsx, so that it can import TypeScript. */
import { existsSync } from 'node:fs'

// The process that called is dead: no one can take the result or end the task. Threads are never disconnected.
process.once('disconnect', () => process.exit())

const isSource = existsSync(new URL('./pool-worker.ts', import.meta.url))
if (isSource) (await import('tsx/esm/api')).register()
const { default: run } = await import(isSource ? './pool-worker.ts' : './pool-worker.js')
export default run
