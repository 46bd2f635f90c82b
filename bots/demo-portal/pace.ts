/** The portal takes its time, as its like do; but not for a client that has gone away. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestHandler } from 'express'

/** Least and most seconds at speed 1. */
export type Seconds = readonly [least: number, most: number]

export interface Pace {
  /** Goes on after this long; never, when the client hangs up before. */
  takes(seconds: Seconds): RequestHandler
  /** How many clients are being kept waiting. */
  readonly waiting: number
}

/** @param speed divides every delay */
export function createPace(speed: number): Pace {
  let waiting = 0
  return {
    takes: ([least, most]) =>
      async function pause(_req, res, next) {
        const gone = new AbortController()
        const leave = (): void => gone.abort()
        res.once('close', leave)
        if (res.closed) leave()
        waiting++
        try {
          const seconds = least + Math.random() * (most - least)
          await sleep((seconds * 1000) / speed, undefined, { signal: gone.signal })
        } catch {
          return // The client is gone: nobody is left to answer, and nothing has happened yet.
        } finally {
          waiting--
          res.off('close', leave)
        }
        next()
      },
    get waiting() {
      return waiting
    },
  }
}
