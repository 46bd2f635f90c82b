/** Delays answers, as real portals do. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestHandler } from 'express'

/** Range of a delay at speed 1. */
export type Seconds = readonly [min: number, max: number]

export interface Pace {
  /** Calls the next handler after a random delay in this range; never, when the client disconnects before. */
  takes(seconds: Seconds): RequestHandler
  /** How many requests are being delayed. */
  readonly waiting: number
}

/** @param speed divides every delay */
export function createPace(speed: number): Pace {
  let waiting = 0
  return {
    takes: ([min, max]) =>
      async function pause(_req, res, next) {
        const disconnected = new AbortController()
        const onClose = (): void => disconnected.abort()
        res.once('close', onClose)
        if (res.closed) onClose()
        waiting++
        try {
          const seconds = min + Math.random() * (max - min)
          await sleep((seconds * 1000) / speed, undefined, { signal: disconnected.signal })
        } catch {
          return // The client has disconnected, and nothing has happened yet.
        } finally {
          waiting--
          res.off('close', onClose)
        }
        next()
      },
    get waiting() {
      return waiting
    },
  }
}
