/** The updater over HTTP: each report is a call of the server, so that a bot needs no Redis and no password of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { shortReference } from '../core/domain/short-reference.ts'
import type { Log } from '../core/runtime/log.ts'
import { createHalfwayClient } from './halfway-client.ts'
import { LONGEST_WAIT_SECONDS } from './http-answers.ts'
import { createHttpBind } from './http-bind.ts'
import { createRequestCalls, isMissing, type RequestCalls } from './request-calls.ts'
import { createUnboundMethods, type EndReason, type Updater } from './updater-interface.ts'

/** Before a call that failed is repeated. */
const RETRY_MS = 500

export function createHttpUpdater({
  log,
  ...access
}: { log: Log } & Parameters<typeof createHalfwayClient>[0]): Updater {
  const client = createHalfwayClient(access)
  const calls = createRequestCalls(client)
  const stopping = new AbortController()
  const bind = createHttpBind({ calls, log })
  return {
    ...createUnboundMethods(bind),
    bind,
    read: calls.state,
    onEnd: (hash, attempt, onEnded) =>
      watchEnd({ calls, log, stopping: stopping.signal }, hash, attempt, onEnded),
    async stop() {
      stopping.abort()
      await client.stop()
    },
  }
}

/** Long polls until the attempt should stop. */
async function watchEnd(
  { calls, log, stopping }: { calls: RequestCalls; log: Log; stopping: AbortSignal },
  hash: string,
  attempt: () => number,
  onEnded: (reason: EndReason) => void,
): Promise<() => void> {
  const unwatched = new AbortController()
  const isOver = (): boolean => unwatched.signal.aborted || stopping.aborted

  /** True when it called back. */
  async function poll(waitSeconds: number): Promise<boolean> {
    const current = attempt()
    const { body } = await calls.poll(hash, 'control', {
      attempt: current,
      waitSeconds,
      signal: unwatched.signal,
    })
    // A newer attempt that called meanwhile continues this run.
    if (!body || isOver() || (body.stop === 'stale_attempt' && attempt() !== current)) return false
    onEnded(body.stop as EndReason)
    return true
  }

  async function follow(): Promise<void> {
    while (!isOver()) {
      try {
        if (await poll(LONGEST_WAIT_SECONDS)) return
      } catch (error) {
        if (isOver()) return
        if (isMissing(error)) return onEnded('request_expired')
        log.debug(
          { err: error, request: shortReference(hash) },
          'the end of a request could not be watched, trying again',
        )
        await sleep(RETRY_MS)
      }
    }
  }

  if (!(await poll(0))) void follow()
  return () => unwatched.abort()
}
