/**
 * Encodes an update as Socket.IO does, from its existing JSON. With several watchers the WebSocket frame is encoded once and
 * shared: encoding it per socket is most of the cost of sending.
 */
import type { Socket } from 'socket.io'
import * as ws from 'ws'
import type { EncodedUpdate } from '../core/pubsub/request-watcher.ts'
import type { TransportCounter } from './server-metrics.ts'

/** Missing in the types of `ws`; Socket.IO itself uses it to send to rooms. */
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }
/** One unfragmented, unmasked text frame. */
const TEXT = { fin: true, opcode: 1, mask: false, readOnly: false, rsv1: false }
/** Packet types: Engine.IO's message, which Engine.IO prepends itself, and Socket.IO's event. */
const [MESSAGE, EVENT] = ['4', '2']

interface Packet {
  text: string
  /** Set from the second watcher on. */
  framed?: { wsPreEncodedFrame: Buffer[] }
}

/** Weak, so that personal data is freed with its update. */
const packets = new WeakMap<EncodedUpdate, Packet>()

export interface UpdateTarget {
  readonly socket: Pick<Socket, 'conn'>
  readonly counter: TransportCounter | undefined
}

/** Sends an update to the socket. All that receive the same update share its packet and its frame. */
export function sendUpdate(this: UpdateTarget, update: EncodedUpdate): void {
  const present = packets.get(update)
  if (present) present.framed ??= { wsPreEncodedFrame: [frameOf(present.text)] }
  const packet = present ?? { text: `${EVENT}["request:update",${update.json}]` }
  if (!present) packets.set(update, packet)
  this.socket.conn.send(packet.text, packet.framed as object | undefined)
  this.counter?.pushed(update.position)
}

const frameOf = (packet: string): Buffer => Buffer.concat(Sender.frame(Buffer.from(MESSAGE + packet), TEXT))
