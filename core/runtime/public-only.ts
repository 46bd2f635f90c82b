/**
 * Connects to public addresses only. The check is made where the connection is opened, because an earlier one can be
 * bypassed: a second lookup of a name may give another address, and a redirect may lead anywhere.
 */
import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'

/** All addresses of a name, as `dns.promises.lookup` with `all` gives them. */
export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>

export type Connect = buildConnector.connector

export class AddressNotAllowed extends Error {
  override name = 'AddressNotAllowed'
}

/** All public IPv6 addresses; outside are `::127.0.0.1` and unassigned ranges. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an IP address is on the public internet: not private, loopback, link-local, shared (CGNAT), multicast, reserved or
 * unspecified, and no IPv6 address that embeds an IPv4 address (mapped, 6to4, NAT64, Teredo).
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv6 ? parsed.match(GLOBAL_IPV6) : true
}

interface ConnectOptions {
  /** The system's resolver; tests replace it. */
  resolve?: Resolve
  /** Which addresses may be connected to; tests also allow this machine. */
  isAllowed?: (address: string) => boolean
}

/** The `connect` of an undici Agent. A refused connection fails with an AddressNotAllowed. */
export function connectPublicOnly({
  resolve = resolveBySystem,
  isAllowed = isPublicAddress,
}: ConnectOptions = {}): Connect {
  const connect = buildConnector({
    lookup: lookupAllowedOnly(resolve, isAllowed),
  } as buildConnector.BuildOptions)
  return (options, callback) => {
    // Node does not look up an IP address. URL has already normalized its other notations (0x7f.1, 2130706433).
    const literal = options.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(literal) !== 0 && !isAllowed(literal)) callback(refusal(), null)
    else connect(options, callback)
  }
}

/** Checks all addresses of a name. The socket connects to one of these, without a second lookup. */
function lookupAllowedOnly(resolve: Resolve, isAllowed: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    const answer = (error: Error | null, addresses: { address: string; family: number }[]): void => {
      if (error) callback(error, [])
      else if (options.all) callback(null, addresses)
      else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
    }
    resolve(hostname).then(
      (addresses) => {
        const areAllowed = addresses.length > 0 && addresses.every(({ address }) => isAllowed(address))
        answer(areAllowed ? null : refusal(), addresses)
      },
      (error: Error) => answer(error, []),
    )
  }
}

const resolveBySystem: Resolve = (hostname) => lookup(hostname, { all: true })

const refusal = (): AddressNotAllowed => new AddressNotAllowed('This address is not on the public internet.')
