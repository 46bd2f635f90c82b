import { expect, test } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { readTimeline } from '../../../core/store/timeline.ts'
import { keys } from '../../helpers/keys.ts'
import { progressTo, REQUIRE_OTP, START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, store, given, applyCommand, foreignWrite } = await useRequests(await useRedis())

const timelineOf = async (hash: string) => {
  const stored = await store.get(hash)
  return readTimeline(client, stored.record)
}
const messagesOf = async (hash: string) => (await timelineOf(hash)).map(({ message }) => message)
const count = (done: number): Command =>
  ({
    ...progressTo(done, `${done} pages`),
    message_key: 'pages',
    message_params: { done },
  }) as Command

test('a timeline begins with the receipt of the request, which costs a new request nothing', async () => {
  const { record } = await given()
  expect(await timelineOf(record.hash)).toMatchObject([
    { at: record.created_at, status: 'pending', attempt: 0, message_key: 'received' },
  ])
  expect(await client.exists(keys.timeline(record.hash))).toBe(0)
})

test('a timeline has the messages that our library wrote, and expires with the record', async () => {
  const { record } = await given(START, progressTo(10, 'Signing in'), REQUIRE_OTP)
  const { hash } = record
  expect(await messagesOf(hash)).toEqual([
    'We have your request.',
    null,
    'Signing in',
    'A code is needed to go on.',
  ])
  const ends = () =>
    Promise.all([client.pexpiretime(keys.timeline(hash)), client.pexpiretime(keys.record(hash))])
  const [timeline, own] = await ends()
  expect(timeline).toBe(own)
  await applyCommand(hash, { type: 'cancel', by: 'user' })
  const [last, final] = await ends()
  expect(last).toBe(final)
  expect((await timelineOf(hash)).at(-1)).toMatchObject({ status: 'cancelled', cancelled_by: 'user' })
})

test('a timeline has what a program in another language wrote into the record', async () => {
  const { record } = await given(START)
  await foreignWrite(record.hash, { progress: 30, current_message: 'در حال ورود', step: 'second' })
  await foreignWrite(record.hash, { progress: 40 })
  await store.get(record.hash)
  await foreignWrite(record.hash, {
    status: 'failed',
    error_data: { code: 'no_such_person', message: 'Nobody' },
  })
  expect((await timelineOf(record.hash)).slice(2)).toMatchObject([
    { message: 'در حال ورود', step: 'second', status: 'processing' },
    { message: 'Nobody', status: 'failed' },
  ])
})

test('a counting message stands once in a timeline, with the time at which it was written first', async () => {
  const { record } = await given(START, count(1))
  const first = (await timelineOf(record.hash)).at(-1)
  for (const done of [2, 3]) await applyCommand(record.hash, count(done))
  const entries = await timelineOf(record.hash)
  expect(entries).toHaveLength(3)
  expect(entries[2]).toMatchObject({ at: first?.at, message: '3 pages', message_params: { done: 3 } })
})

test('a timeline keeps the receipt and the last 29 entries after it', async () => {
  const { record } = await given(START)
  for (let i = 0; i < 40; i++) await applyCommand(record.hash, progressTo(i, `message ${i}`))
  const messages = await messagesOf(record.hash)
  expect(messages).toHaveLength(30)
  expect(messages.slice(0, 2)).toEqual(['We have your request.', 'message 11'])
  expect(messages.at(-1)).toBe('message 39')
})

test('a timeline that another program replaced or filled with anything harms neither writes nor reads', async () => {
  const { record } = await given(START, count(1))
  const key = keys.timeline(record.hash)
  await client.set(key, 'no list')
  expect(await messagesOf(record.hash)).toEqual(['We have your request.'])
  await client.set(key, 'no list')
  await applyCommand(record.hash, count(2))
  expect(await messagesOf(record.hash)).toEqual(['We have your request.', '2 pages'])
  await client.rpush(key, 'nonsense', '2026-06-01T12:00:00.000Z{}', `${'x'.repeat(24)}{"status":"pending"}`)
  expect(await messagesOf(record.hash)).toEqual(['We have your request.', '2 pages'])
})
