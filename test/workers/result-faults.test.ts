/** The log of a worker names what in a result does not fit the definition of the service. */

import { expect, test } from 'vitest'
import { shortReference } from '../../core/domain/short-reference.ts'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { collectLog } from '../helpers/server.ts'
import { later, success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const redis = await useRedis()
const { store } = await useRequests(redis)
const { bot, useLine, ended } = await useLines(redis)
const result = { fields: [{ name: 'parcels', type: 'number' as const, label: 'Parcels' }] }

const collectFaults = () => {
  const { log, lines } = collectLog()
  const logged = () => lines.filter((line) => line.includes('does not fit')).map((line) => JSON.parse(line))
  return { log, logged }
}

test('a result that the bot answers is checked, once for each kind of fault', async () => {
  const { log, logged } = collectFaults()
  const line = useLine({ result })
  const replies = [success({ parcels: 'many' })]
  const hashes = [await line.submit({ replies }), await line.submit({ replies })]
  line.work({ log })
  await Promise.all(hashes.map(ended))
  await eventually(() => expect(logged()).toMatchObject([{ faults: ['parcels: must be a number'] }]))
})

test('a result that the bot’s updater writes before the answer is checked', async () => {
  const { log, logged } = collectFaults()
  const line = useLine({ result })
  const open = later()
  const hash = await line.submit({ replies: [open.reply] })
  line.work({ log })
  await bot.call(hash)
  await store.apply(hash, { type: 'complete', attempt: 1, result: { parcels: 'many' } })
  await eventually(() =>
    expect(logged()).toMatchObject([
      { request: shortReference(hash), faults: ['parcels: must be a number'] },
    ]),
  )
  open.answer(success({ parcels: 'many' }))
})
