/** The pool's worker as bundled processes start it: it loads the bundle of the module with the tasks, where there is one. */
import { existsSync } from 'node:fs'
import run from '../../core/tasks/pool-worker.ts'

/** URLs of the project's root and of the folder with the bundles of the tasks, which `bundles.ts` defines. */
declare const SOURCES: string
declare const BUNDLES: string

export default (task: Parameters<typeof run>[0]): Promise<string> => {
  const bundle = new URL(task.tasks.replace(SOURCES, BUNDLES).replace(/\.ts$/, '.js'))
  return run({ ...task, tasks: existsSync(bundle) ? bundle.href : task.tasks })
}
