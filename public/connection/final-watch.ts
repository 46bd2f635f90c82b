/**
 * Follows a request that has ended: it may be deleted or kept longer in another tab. Without an event stream, which ends
 * with the request, and without a note about the connection, since the page stays right without one.
 */
import type { ConnectionOptions, LiveConnection } from './connect.ts'
import { pollTransport } from './poll-transport.ts'
import { socketTransport } from './socket-transport.ts'
import { TransportLadder } from './transport-ladder.ts'

export function watchFinal(options: ConnectionOptions): LiveConnection {
  const ladder = new TransportLadder({
    target: options,
    transports: () => [socketTransport, pollTransport],
    events: {
      view: options.onView,
      up() {},
      down() {},
      degraded() {},
      end(reason) {
        ladder.stop()
        if (reason === 'gone') options.onGone()
      },
    },
  })
  ladder.start()
  return {
    refresh: () => ladder.check(),
    reconnect() {
      ladder.stop()
      ladder.start()
    },
    setHidden: (isHidden) => void (isHidden || ladder.check()),
    close: () => ladder.stop(),
  }
}
