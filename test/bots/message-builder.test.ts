/** Messages of a service by key. */
import { expect, it } from 'vitest'
import { messageBuilder } from '../../bots/index.ts'

const message = messageBuilder({ messages: { asking: { en: 'Asking {office}…', fa: 'پرسش از {office}…' } } })

it('a message has its English text, its key and its parameters', () => {
  expect(message('asking', { office: 'tax' })).toEqual({
    message: 'Asking tax…',
    message_key: 'asking',
    message_params: { office: 'tax' },
  })
})

it('names a key that the definition does not have', () => {
  expect(() => message('askign' as 'asking')).toThrow('The service has no message "askign"; it has: asking.')
})
