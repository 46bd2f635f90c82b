// watch.ts
import { io } from 'socket.io-client'

const [url = 'http://localhost:3000', hash] = process.argv.slice(2)
const socket = io(url, { transports: ['websocket'] })

const show = (view: { status: string; progress: number }): void => {
  process.stdout.write(`${view.status} ${view.progress}%\n`)
  if (['completed', 'failed', 'cancelled'].includes(view.status)) socket.close()
}

// After every connect, so that a reconnect misses nothing.
socket.on('connect', async () => {
  const answer = await socket.emitWithAck('request:watch', { hash })
  if (answer.ok) show(answer.data)
  else throw new Error(answer.problem.title)
})
socket.on('request:update', show)
socket.on('request:expired', () => socket.close())
