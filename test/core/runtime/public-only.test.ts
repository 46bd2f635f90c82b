import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, fetch } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import {
  AddressNotAllowed,
  connectPublicOnly,
  isPublicAddress,
  type Resolve,
} from '../../../core/runtime/public-only.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

/** The cause of the error with which a request was refused. */
async function ask(url: string, resolve?: Resolve): Promise<unknown> {
  const agent = new Agent({ connect: connectPublicOnly({ resolve }) })
  open.push({ close: () => agent.destroy() })
  return fetch(url, { dispatcher: agent, signal: AbortSignal.timeout(5000) }).then(
    (response) => response.status,
    (error: Error) => error.cause,
  )
}

async function serveLoopback(): Promise<{ port: number; connections: () => number }> {
  let connections = 0
  const server: Server = createServer((_req, res) => res.end('secret'))
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => server.closeAllConnections() }, { close: () => server.close() })
  return { port: (server.address() as AddressInfo).port, connections: () => connections }
}

describe('isPublicAddress', () => {
  it.each(['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001:80b::200e'])(
    'the address %s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  )

  it.each([
    ['loopback', '127.0.0.1', '127.255.255.254', '::1'],
    ['unspecified', '0.0.0.0', '0.1.2.3', '::'],
    [
      'private',
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      'fc00::1',
      'fd12:3456::1',
      'fec0::1',
    ],
    ['link-local', '169.254.169.254', 'fe80::1'],
    ['shared by a provider (CGNAT)', '100.64.0.1', '100.127.255.255'],
    ['multicast or broadcast', '224.0.0.1', '239.255.255.250', '255.255.255.255', 'ff02::1'],
    [
      'reserved or for examples',
      '192.0.0.1',
      '192.0.2.1',
      '198.18.0.1',
      '203.0.113.5',
      '240.0.0.1',
      '2001:db8::1',
    ],
    ['an IPv4 address inside IPv6', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '::7f00:1'],
    ['translated or tunnelled', '64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001::1'],
    ['not assigned', '4000::1', '100::1'],
    ['no address', '', 'localhost', '127.1', '8.8.8', '2130706433', 'fe80::1%eth0'],
  ])('an address that is %s is not public', (_kind, ...addresses) => {
    for (const address of addresses) expect([address, isPublicAddress(address)]).toEqual([address, false])
  })
})

describe('connectPublicOnly', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '127.0.0.1.',
    '127.255.255.254',
    '2130706433',
    '0x7f000001',
    '0x7F.0.0.1',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '0',
    '0.0.0.0',
    '0x0',
    '10.0.0.1',
    '10.1',
    '0xa000001',
    '012.0.0.1',
    '167772161',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '3232235521',
    '169.254.169.254',
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
    '169.254.43518',
    '169.254.170.2',
    '100.100.100.200',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:169.254.169.254]',
    '[::ffff:10.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b::169.254.169.254]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
    '[2001::1]',
    '[fe80::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fec0::1]',
    '[ff02::1]',
    '[2001:db8::1]',
    '１２７.0.0.1',
    '①②⑦.0.0.1',
    '127。0。0。1',
    'localhost',
    'LOCALHOST',
    '%6c%6f%63alhost',
  ])('a connection to %s is refused before a byte is sent', async (host) => {
    const { port, connections } = await serveLoopback()
    expect(await ask(`http://${host}:${port}/`)).toBeInstanceOf(AddressNotAllowed)
    expect(connections()).toBe(0)
  })

  it('a TLS connection to a private address is refused', async () => {
    const { port, connections } = await serveLoopback()
    expect(await ask(`https://127.0.0.1:${port}/`)).toBeInstanceOf(AddressNotAllowed)
    expect(await ask(`https://localhost:${port}/`)).toBeInstanceOf(AddressNotAllowed)
    expect(connections()).toBe(0)
  })

  it('a connection to a name with one private address is refused', async () => {
    const { port, connections } = await serveLoopback()
    const resolve: Resolve = async () => [
      { address: '8.8.8.8', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]
    expect(await ask(`http://mixed.example:${port}/`, resolve)).toBeInstanceOf(AddressNotAllowed)
    expect(connections()).toBe(0)
  })

  it('a connection is refused when the name first resolves to a public and then to a private address', async () => {
    // 127.0.0.1 stands for the public internet, and 127.0.0.2 for the private network.
    const { port, connections } = await serveLoopback()
    let lookups = 0
    const resolve: Resolve = async () => [{ address: lookups++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
    const connect = connectPublicOnly({ resolve, isAllowed: (address) => address === '127.0.0.1' })
    const agent = new Agent({ connect })
    open.push({ close: () => agent.destroy() })
    // "connection: close" makes the next request resolve the name again.
    const get = () =>
      fetch(`http://rebinding.example:${port}/`, { dispatcher: agent, headers: { connection: 'close' } })
    const first = await get()
    expect(await first.text()).toBe('secret')
    await expect(get()).rejects.toMatchObject({ cause: expect.any(AddressNotAllowed) })
    expect([lookups, connections()]).toEqual([2, 1])
  })

  it.each([
    ['metadata', '169.254.169.254'],
    ['an intranet', '10.0.0.1'],
    ['this machine', '127.0.0.1'],
    ['this machine in IPv4-mapped form', '::ffff:127.0.0.1'],
    ['a local IPv6 network', 'fd00::1'],
    ['nothing', null],
  ])('a connection to a name that resolves to %s (%s) is refused', async (_what, address) => {
    const resolve: Resolve = async () =>
      address === null ? [] : [{ address, family: address.includes(':') ? 6 : 4 }]
    expect(await ask('http://private.example/', resolve)).toBeInstanceOf(AddressNotAllowed)
  })

  it('a resolver that changes its answer each time never leads a connection to a private address', async () => {
    // 127.0.0.1 stands for the public internet, and 127.0.0.2 for the private network; the same port listens at both.
    const called: string[] = []
    const server = createServer((req, res) => {
      called.push(String(req.socket.localAddress))
      res.end()
    })
    await new Promise<void>((resolve) => server.listen(0, resolve))
    open.push({ close: () => server.closeAllConnections() }, { close: () => server.close() })
    let lookups = 0
    const resolve: Resolve = async () => [
      { address: lookups++ % 2 === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 },
    ]
    const agent = new Agent({
      connect: connectPublicOnly({ resolve, isAllowed: (address) => address === '127.0.0.1' }),
    })
    open.push({ close: () => agent.destroy() })
    const url = `http://rebinding.example:${(server.address() as AddressInfo).port}/`
    const answers: unknown[] = []
    for (let i = 0; i < 20; i++)
      answers.push(
        await fetch(url, { dispatcher: agent, headers: { connection: 'close' } }).then(
          ({ status }) => status,
          (error: Error) => (error.cause as Error).name,
        ),
      )
    expect(answers).toEqual(Array.from({ length: 10 }, () => [200, 'AddressNotAllowed']).flat())
    expect([lookups, called.length]).toEqual([20, 10])
    expect(new Set(called)).toEqual(new Set(['::ffff:127.0.0.1']))
  })

  it('a name is resolved once for each connection, which uses the checked addresses only', async () => {
    let lookups = 0
    const resolve: Resolve = async () => {
      lookups++
      return [{ address: '192.168.0.1', family: 4 }]
    }
    expect(await ask('http://once.example/', resolve)).toBeInstanceOf(AddressNotAllowed)
    expect(lookups).toBe(1)
  })

  it('the resolver’s error for an unknown name is passed on', async () => {
    const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    expect(await ask('http://unknown.example/', () => Promise.reject(unknown))).toBe(unknown)
  })
})
