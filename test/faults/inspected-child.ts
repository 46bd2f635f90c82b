/** Reads the memory of a process after a full garbage collection, through Node's inspector. */
import { WebSocket } from 'undici'
import { eventually } from '../helpers/eventually.ts'

export interface Held {
  heapBytes: number
  /** Outside of the JavaScript heap: buffers. */
  bufferBytes: number
  /** Open sockets, timers and the like, counted by kind. */
  resources: Record<string, number>
}

/**
 * Settings that enable the inspector of a child without output on its standard error.
 *
 * @param port a free one
 */
export const inspectable = (port: number): { env: NodeJS.ProcessEnv; held: () => Promise<Held> } => ({
  env: { NODE_OPTIONS: `--inspect=127.0.0.1:${port} --inspect-publish-uid=http` },
  held: () => look(port),
})

const MEMORY = `JSON.stringify({
  bufferBytes: process.memoryUsage().arrayBuffers,
  resources: process.getActiveResourcesInfo().reduce((sum, kind) => ({ ...sum, [kind]: (sum[kind] ?? 0) + 1 }), {})
})`

async function look(port: number): Promise<Held> {
  const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    webSocketDebuggerUrl: string
  }[]
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  const answers = new Map<number, unknown>()
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown }
    if (id !== undefined) answers.set(id, result)
  })
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  let last = 0
  const ask = async <T>(method: string, params: object = {}): Promise<T> => {
    const id = ++last
    socket.send(JSON.stringify({ id, method, params }))
    return eventually(() => {
      if (!answers.has(id)) throw new Error(`${method} was not answered`)
      return answers.get(id) as T
    })
  }
  // Twice: objects that the first collection finalizes are freed by the second.
  await ask('HeapProfiler.collectGarbage')
  await ask('HeapProfiler.collectGarbage')
  const { usedSize } = await ask<{ usedSize: number }>('Runtime.getHeapUsage')
  const { result } = await ask<{ result: { value: string } }>('Runtime.evaluate', { expression: MEMORY })
  socket.close()
  return { heapBytes: usedSize, ...JSON.parse(result.value) }
}
