/**
 * Connects to public addresses only. It stands where the connection is made, because nothing before that place can
 * be trusted: a name may answer differently the second time it is asked, and a redirect may lead anywhere.
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

/** All that is handed out on the public internet lies in here; outside are `::127.0.0.1` and what is not assigned yet. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an IP address is one on the public internet: not private, loopback, link-local, shared (CGNAT), multicast,
 * reserved or unspecified, and no IPv6 form that carries an IPv4 address inside (mapped, 6to4, NAT64, Teredo).
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv6 ? parsed.match(GLOBAL_IPV6) : true
}

interface Guard {
  /** The system's resolver; tests give their own. */
  resolve?: Resolve
  /** Which addresses may be connected to; tests need some on this machine. */
  isAllowed?: (address: string) => boolean
}

/** The `connect` of an undici Agent. A refused connection fails with an AddressNotAllowed. */
export function connectPublicOnly({
  resolve = resolveBySystem,
  isAllowed = isPublicAddress,
}: Guard = {}): Connect {
  const connect = buildConnector({
    lookup: lookupAllowedOnly(resolve, isAllowed),
  } as buildConnector.BuildOptions)
  return (options, callback) => {
    // For an address in figures Node looks nothing up. Other ways to write one (0x7f.1, 2130706433) are gone by
    // here: URL has made plain ones of them.
    const literal = options.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(literal) !== 0 && !isAllowed(literal)) callback(refusal(), null)
    else connect(options, callback)
  }
}

/** Checks every address of a name; the socket is connected to one of just these, the name is not asked again. */
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
