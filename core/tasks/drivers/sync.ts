/** `sync`: in this process, one after the other. For tests, and where nothing is slow enough. */
import { inProcess } from '../execute-task.ts'
import type { TaskRegistry } from '../task.ts'
import type { Driver } from './driver.ts'

export const createSyncDriver = (tasks: TaskRegistry): Driver => ({ ...inProcess(tasks), limit: 1 })
