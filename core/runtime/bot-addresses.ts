/** Which addresses of bots are called (BOT_ADDRESSES): a program that may announce a service must not make workers call other addresses. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** @param allowed names of hosts, addresses, networks, and `loopback` */
export function isAllowedAddress(address: string, allowed: readonly string[]): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(address)
  if (!/^https?:$/.test(protocol) || username || password || search || hash || pathname !== '/') return false
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  return allowed
    .flatMap((entry) => (entry === 'loopback' ? [...LOOPBACK, 'localhost'] : [entry.toLowerCase()]))
    .some((entry) => entry === host || (isIP(host) !== 0 && isWithin(host, entry)))
}

function isWithin(host: string, network: string): boolean {
  if (!ipaddr.isValidCIDR(network)) return false
  const [base, bits] = ipaddr.parseCIDR(network)
  const address = ipaddr.process(host)
  return address.kind() === base.kind() && address.match(base, bits)
}
