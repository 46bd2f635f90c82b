/**
 * An update as Socket.IO would write it, from the JSON that there is; and where several watch, as the WebSocket under it
 * would, made once for all: encoding it anew for each of them is most of what telling them costs.
 */
import type { Socket } from 'socket.io'
import * as ws from 'ws'
import type { EncodedUpdate } from '../core/pubsub/request-watcher.ts'

/** Its types leave it out; Socket.IO itself sends to rooms by it. */
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }
/** A whole message of text, from a server. */
const TEXT = { fin: true, opcode: 1, mask: false, readOnly: false, rsv1: false }
/** Engine.IO's name for a message, which it writes itself, and Socket.IO's for an event. */
const [MESSAGE, EVENT] = ['4', '2']

interface Packet {
  text: string
  /** From the second watcher on. */
  framed?: { wsPreEncodedFrame: Buffer[] }
}

/** Gone with the update: what a person is shown must not stay behind with us. */
const packets = new WeakMap<EncodedUpdate, Packet>()

/** Those who are sent the same update share its packet, and its frame. */
export function sendUpdate(connection: Socket['conn'], update: EncodedUpdate): void {
  const present = packets.get(update)
  if (present) present.framed ??= { wsPreEncodedFrame: [frameOf(present.text)] }
  const packet = present ?? { text: `${EVENT}["request:update",${update.json}]` }
  if (!present) packets.set(update, packet)
  connection.send(packet.text, packet.framed as object | undefined)
}

const frameOf = (packet: string): Buffer => Buffer.concat(Sender.frame(Buffer.from(MESSAGE + packet), TEXT))
