/** Hearing by socket: told of every change at once, and comes back by itself. */
import { io } from 'socket.io-client'
import type { PublicView } from '../../core/record.ts'
import { endOf, jittered, type Way } from './way.ts'

/** How long it may take at first before it counts as blocked. */
const PATIENCE_MS = 3000
const ANSWER_WITHIN_MS = 5000
const AGAIN_MS = 1000
/** Give or take a half; after a mere hiccup it is back before anything need be said. */
const BACK_AFTER_MS = 700

type WatchAnswer = { ok: true; data: PublicView } | { ok: false; problem: { code: string } }

export const bySocket: Way = (request, ears) => {
  const socket = io(new URL(request.statusUrl).origin, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelay: BACK_AFTER_MS,
  })
  let isStopped = false
  let again: ReturnType<typeof setTimeout> | undefined
  const patience = setTimeout(() => ears.down(), PATIENCE_MS)

  function watch(): void {
    clearTimeout(again)
    const message = { hash: request.hash, version: request.version(), owner_token: request.ownerToken }
    socket.timeout(ANSWER_WITHIN_MS).emit('request:watch', message, hearAnswer)
  }

  function hearAnswer(late: Error | null, answer?: WatchAnswer): void {
    if (isStopped) return
    if (answer?.ok) {
      clearTimeout(patience)
      ears.up()
      ears.view(answer.data)
      return
    }
    const end = answer && endOf(answer.problem.code)
    if (end) {
      ears.end(end)
      return
    }
    ears.down()
    // Connected and without an answer: a connection from before a sleep may be dead and not know it.
    if (late) socket.disconnect()
    else tryAgain(ANSWER_WITHIN_MS, () => socket.connected && watch())
  }

  /** Sent away, the client would stay away for good; cut off, it comes back by itself. */
  function comeBack(): void {
    if (!socket.active) tryAgain(AGAIN_MS, () => socket.connect())
  }

  function tryAgain(ms: number, what: () => void): void {
    clearTimeout(again)
    if (!isStopped) again = setTimeout(what, jittered(ms))
  }

  socket.on('connect', watch)
  socket.on('connect_error', comeBack)
  socket.on('disconnect', () => {
    ears.down()
    comeBack()
  })
  socket.on('request:update', (view: PublicView) => ears.view(view))
  socket.on('request:expired', ({ hash }: { hash: string }) => hash === request.hash && ears.end('gone'))

  return {
    check() {
      if (socket.connected) watch()
      else socket.connect()
    },
    stop() {
      isStopped = true
      clearTimeout(patience)
      clearTimeout(again)
      socket.close()
    },
  }
}
