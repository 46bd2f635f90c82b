/**
 * An update as Socket.IO would write it, from the JSON that there is; and where several watch, as the WebSocket under it
 * would, made once for all: encoding it anew for each of them is most of what telling them costs.
 */
import type { Socket } from 'socket.io'
import * as ws from 'ws'
import type { LiveUpdate } from '../core/redis/live-requests.ts'

/** Its types leave it out; Socket.IO itself sends to rooms by it. */
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }
/** A whole message of text, from a server. */
const TEXT = { fin: true, opcode: 1, mask: false, readOnly: false, rsv1: false }
/** Engine.IO's name for a message, which it writes itself, and Socket.IO's for an event. */
const [MESSAGE, EVENT] = ['4', '2']

/** @returns a way to send an update: from the second on, those who are sent the same one after each other share its frame */
export function createSendUpdate(): (connection: Socket['conn'], update: LiveUpdate) => void {
  let last: LiveUpdate | null = null
  let packet = ''
  let framed: object | undefined
  return (connection, update) => {
    if (update === last) framed ??= { wsPreEncodedFrame: [frameOf(packet)] }
    else {
      last = update
      packet = `${EVENT}["request:update",${update.json}]`
      framed = undefined
    }
    connection.send(packet, framed)
  }
}

const frameOf = (packet: string): Buffer => Buffer.concat(Sender.frame(Buffer.from(MESSAGE + packet), TEXT))
