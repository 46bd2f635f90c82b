import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeCause, describeOwnCause } from '../../../core/runtime/error-cause.ts'

const TYPED = { mobile: '09123456789', name: 'Sara Karimi', nested: [{ city: 'Shiraz', floor: 12 }] }
const HERE = /^test\/core\/runtime\/error-cause\.test\.ts:\d+$/

describe('the cause of a failure', () => {
  it('the cause of a failure has class and place, relative to the project, and no message', () => {
    class PortalError extends Error {}
    expect(describeCause(new PortalError('Sara Karimi is unknown'))).toEqual({
      name: 'Error',
      at: expect.stringMatching(HERE),
    })
    class NamedError extends Error {
      override name = 'NamedError'
    }
    expect(describeCause(new NamedError('x')).name).toBe('NamedError')
  })

  it('the cause of a wrapped error is the innermost one, at the place of the project that is nearest to it', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
      stack: 'Error: connect\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)',
    })
    const error = new Error('the portal is away', {
      cause: new TypeError('fetch failed', { cause: refused }),
    })
    expect(describeOwnCause(error, TYPED)).toEqual({
      name: 'ECONNREFUSED',
      message: 'connect ECONNREFUSED 127.0.0.1:1',
      at: expect.stringMatching(HERE),
    })
  })

  it.each([
    ['Sara Karimi is not known in Shiraz on floor 12', '… is not known in … on floor …'],
    ['Unexpected token S, "Sara "K" Karimi" is not valid JSON', 'Unexpected token S, … is not valid JSON'],
    [
      "Cannot read properties of undefined (reading 'score')",
      "Cannot read properties of undefined (reading 'score')",
    ],
    ['the code 48392 and ۴۸۳۹۲ of attempt 3', 'the code … and … of attempt 3'],
  ])('of the message %j of an error of our own is kept: %s', (message, kept) => {
    expect(describeOwnCause(new Error(message), TYPED).message).toBe(kept)
  })

  it('no typed text of two characters or more is in a kept message', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 2, maxLength: 20 }),
        fc.string({ maxLength: 20 }),
        (typed, words) => {
          const { message = '' } = describeOwnCause(new Error(`${words}${typed}${words}`), { typed })
          expect(message.includes(typed) && !words.includes(typed) && typed !== '……').toBe(false)
        },
      ),
    )
  })

  it('a place outside of the project has no folders of the machine, and one in a package begins with its name', () => {
    const thrownAt = (file: string) =>
      describeCause(Object.assign(new Error(), { stack: `Error\n    at f (${file}:7:1)` }))
    expect(thrownAt('/srv/secret/bots/parcels/index.ts').at).toBe('parcels/index.ts:7')
    expect(thrownAt('file:///srv/x/node_modules/@scope/name/lib/a.js').at).toBe('@scope/name/lib/a.js:7')
    expect(thrownAt('node:internal/process').at).toBeUndefined()
  })

  it('anything can be thrown, also an error that is its own cause', () => {
    const circular = new Error('circular')
    circular.cause = circular
    expect([null, undefined, 'text', circular].map((thrown) => describeCause(thrown).name)).toEqual([
      'null', 'undefined', 'string', 'Error',
    ]) // biome-ignore format: a list
    expect(describeCause(Object.assign(new Error(), { name: 'Sara Karimi' })).name).toBe('Error')
  })
})
