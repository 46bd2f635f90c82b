import { expect, test } from 'vitest'
import { shortReference } from '../../../core/domain/short-reference.ts'
import { createRequestEnds } from '../../../core/store/request-ends.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { observeEnds } from '../../../core/store/write-observer.ts'
import { aRecord, START, TTL_SECONDS } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { collectLog } from '../../helpers/server.ts'

const redis = await (await useRedis()).connections.connect('patient')
const { log, lines } = collectLog('info')
const onEnd = createRequestEnds({ redis, closeAfterFailures: 0, log })
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, observer: observeEnds(undefined, onEnd) })
const ends = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request ended')

test('the end of a request is one line of the log, with its durations and without its data', async () => {
  const record = aRecord({ request_data: { name: 'Private Person' } })
  await store.create(record)
  await store.apply(record.hash, START)
  const error = { code: 'portal_down', message: 'Private Person is unknown', retryable: false }
  await store.apply(record.hash, { type: 'fail', error })
  await store.apply(record.hash, { type: 'keep' })
  expect(ends()).toMatchObject([
    {
      level: 30,
      request: shortReference(record.hash),
      service: record.service_slug,
      status: 'failed',
      code: 'portal_down',
      attempts: 1,
      queued_ms: expect.any(Number),
      work_ms: expect.any(Number),
      waiting_ms: 0,
      total_ms: expect.any(Number),
      steps_ms: {},
    },
  ])
  expect(lines.join('')).not.toMatch(/Private|req_/)
})

test('a code that is no identifier is not in the log', async () => {
  const record = aRecord()
  await store.create(record)
  const error = { code: 'Private Person', message: '', retryable: false }
  await store.apply(record.hash, { type: 'fail', error })
  expect(ends().at(-1)).toMatchObject({ code: 'failed', attempts: 0 })
})
