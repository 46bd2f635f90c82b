/**
 * The transports of one connection, best first: socket, event stream, poll. One that does not deliver keeps trying while
 * the next one starts beside it; once it delivers, those after it are stopped.
 */
import { pollTransport } from './poll-transport.ts'
import {
  jittered,
  type Transport,
  type TransportEvents,
  type TransportHandle,
  type WatchTarget,
} from './transport.ts'

/** A lost connection usually comes back: the next transport starts only after this time. */
const FALLBACK_MS = 2000
/** How much later than a poll a socket or stream may deliver the same version before it counts as lagging. */
const MAX_LAG_MS = 1000
/** A lagging transport is restarted after this time, doubled each time that it lags. */
const RETRY_LAGGING_MS = 15_000
const MAX_RETRY_LAGGING_MS = 600_000

interface ActiveTransport {
  readonly transport: Transport
  handle?: TransportHandle
  isUp: boolean
  /** How often something has come since it is up: first the answer to its opening, then what the server sends by itself. */
  arrivals: number
  /** The newest version that it has delivered. */
  version: number
  readonly lagCount: number
  /** Starts the next transport, unless this one is up by then; or this one, when it was stopped for lagging. */
  timer?: ReturnType<typeof setTimeout>
}

export interface LadderOptions {
  target: WatchTarget
  /** The transports to use now, best first. */
  transports(): readonly Transport[]
  /** `up` and `down` of any transport; `mode` is what is up now. */
  events: TransportEvents
}

export class TransportLadder {
  readonly #options: LadderOptions
  /** Always the best transports, in order. */
  readonly #active: ActiveTransport[] = []

  constructor(options: LadderOptions) {
    this.#options = options
  }

  /** How the page is kept up to date; null while no transport is up. */
  get mode(): 'live' | 'polling' | null {
    const used = this.#active.find(({ isUp }) => isUp)
    return used ? (used.transport === pollTransport ? 'polling' : 'live') : null
  }

  /** Whether what the server sends by itself has come, so that no proxy holds it back. */
  get isProven(): boolean {
    return this.#active.some(({ isUp, arrivals }) => isUp && arrivals > 1)
  }

  /** Whether polls run, even if a better transport is up by now. */
  get isPolling(): boolean {
    return this.#active.at(-1)?.transport === pollTransport
  }

  start(): void {
    this.#start(0)
  }

  /** Replaces the transports after the first, since `transports` has changed. */
  restartFallbacks(): void {
    if (this.#active.length <= 1) return
    this.#stopFrom(1)
    this.#start(1)
  }

  check(isWanted: (active: { isUp: boolean }) => boolean = () => true): void {
    for (const active of this.#active) if (isWanted(active)) active.handle?.check()
  }

  /** Stops each socket or stream that does not deliver, within `MAX_LAG_MS`, the version that a poll has found. */
  stopLagging(version: number): void {
    const isBehind = (active: ActiveTransport): boolean => active.isUp && active.version < version
    const behind = this.#active.filter(isBehind)
    if (behind.length === 0) return
    setTimeout(() => {
      for (const active of behind) {
        const index = this.#active.indexOf(active)
        if (index >= 0 && isBehind(active)) this.#replaceLagging(active, index)
      }
    }, MAX_LAG_MS)
  }

  stop(): void {
    this.#stopFrom(0)
  }

  #start(index: number, { lagCount = 0, afterMs = 0 } = {}): void {
    const { target, transports } = this.#options
    const transport = transports()[index]
    if (!transport) return
    const active: ActiveTransport = { transport, isUp: false, arrivals: 0, version: 0, lagCount }
    this.#active[index] = active
    const run = (): void => {
      active.timer = undefined
      active.handle = transport(target, this.#createEvents(active, index))
    }
    if (afterMs > 0) active.timer = setTimeout(run, afterMs)
    else run()
  }

  /** Events of a transport that was stopped are dropped. */
  #createEvents(active: ActiveTransport, index: number): TransportEvents {
    const { events } = this.#options
    const isStopped = (): boolean => this.#active[index] !== active
    return {
      view(view) {
        if (isStopped()) return
        active.version = Math.max(active.version, view.version)
        events.view(view)
      },
      end: (reason) => !isStopped() && events.end(reason),
      degraded: (isDegraded) => !isStopped() && events.degraded(isDegraded),
      up: () => {
        if (isStopped()) return
        active.isUp = true
        active.arrivals++
        clearTimeout(active.timer)
        active.timer = undefined
        this.#stopFrom(index + 1)
        events.up()
      },
      down: ({ pauseMs = 0, code } = {}) => {
        if (isStopped()) return
        if (code === 'storage_unavailable') events.degraded(true)
        // A limit of streams lets this one in again when others have closed; it does not apply to the next transport.
        const mayComeBack = active.isUp || (pauseMs > 0 && code !== 'rate_limited')
        active.isUp = false
        active.arrivals = 0
        events.down()
        if (this.#active.length > index + 1) return
        const waitMs = mayComeBack ? pauseMs + FALLBACK_MS * (1 + Math.random() / 2) : 0
        active.timer ??= setTimeout(() => this.#start(index + 1), waitMs)
      },
    }
  }

  #replaceLagging(active: ActiveTransport, index: number): void {
    stop(active)
    const afterMs = jittered(Math.min(MAX_RETRY_LAGGING_MS, RETRY_LAGGING_MS * 2 ** active.lagCount))
    this.#start(index, { lagCount: active.lagCount + 1, afterMs })
    if (this.#active.length === index + 1) this.#start(index + 1)
    this.#options.events.down()
  }

  #stopFrom(index: number): void {
    for (const active of this.#active.splice(index)) stop(active)
  }
}

function stop({ timer, handle }: ActiveTransport): void {
  clearTimeout(timer)
  handle?.stop()
}
