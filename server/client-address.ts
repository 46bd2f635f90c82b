/** The address of a client by TRUST_PROXY, and what limits count of it. */
import type { IncomingMessage } from 'node:http'
import { isIP, isIPv6 } from 'node:net'
import express from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import { LRUCache } from 'lru-cache'
import type { Config } from '../core/runtime/config.ts'

export type TrustsProxy = (address: string | undefined, hop: number) => boolean

export const createTrust = (trustProxy: Config['server']['trustProxy']): TrustsProxy =>
  express().set('trust proxy', trustProxy).get('trust proxy fn') as TrustsProxy

export type AddressOf = (req: Pick<IncomingMessage, 'headers' | 'socket'>) => string

/** As Express's `req.ip`, also for calls that Express does not see. A proxy may forward any text; then its own address counts. */
export function createAddressOf(trusts: TrustsProxy): AddressOf {
  return ({ headers, socket }) => {
    const own = socket.remoteAddress ?? ''
    const forwarded = headers['x-forwarded-for']
    if (forwarded === undefined || !trusts(own, 0)) return own
    const hops = [own, ...String(forwarded).split(',').reverse()].map((hop) => hop.trim())
    const client = hops.find((hop, index) => !trusts(hop, index)) ?? hops.at(-1) ?? ''
    // Some proxies append the port.
    const bare = /^\[(.+)\](?::\d+)?$/.exec(client)?.[1] ?? /^([\d.]+):\d+$/.exec(client)?.[1] ?? client
    return isIP(bare) ? bare : own
  }
}

export type IsHttps = (req: Pick<IncomingMessage, 'headers' | 'socket'>) => boolean

/** As Express's `req.secure`, also for calls that Express does not see. */
export function createIsHttps(trusts: TrustsProxy): IsHttps {
  return ({ headers, socket }) => {
    if ('encrypted' in socket && socket.encrypted) return true
    const [protocol] = String(headers['x-forwarded-proto'] ?? '').split(',')
    return protocol?.trim() === 'https' && trusts(socket.remoteAddress, 0)
  }
}

/** Reading an IPv6 address takes microseconds. */
const networks = new LRUCache<string, string>({ max: 10_000 })

/** What limits and fair scheduling count: the address; for IPv6 the /56 network, which is one customer. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  let network = networks.get(address)
  if (network === undefined) {
    network = ipKeyGenerator(address)
    networks.set(address, network)
  }
  return network
}
