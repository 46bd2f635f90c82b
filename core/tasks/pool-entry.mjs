/** What a process or thread of the pool loads first: registers tsx, so that it can import TypeScript. */
import { register } from 'tsx/esm/api'

// The process that called is dead: no one can take the result or end the task. Threads are never disconnected.
process.once('disconnect', () => process.exit())

register()
const { default: run } = await import('./pool-worker.ts')
export default run
