/** The first thing that a process or thread of the pool loads: what lets it run our files as they are written. */
import { register } from 'tsx/esm/api'

register()
const { default: run } = await import('./pool-worker.ts')
export default run
