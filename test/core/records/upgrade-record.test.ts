/** Records as version 0.1 stored them, read by this one. */
import { describe, expect, it } from 'vitest'
import { creditScoreRating } from '../../../core/catalog/credit-score-rating.ts'
import type { RequestRecord } from '../../../core/domain/record.ts'
import { initialSteps } from '../../../core/domain/steps.ts'
import { decodeRecord } from '../../../core/records/codec.ts'
import { parseForeignRecord } from '../../../core/records/foreign-record.ts'
import { keys } from '../../helpers/keys.ts'
import { START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, store } = await useRequests(await useRedis())

/** Copied from a Redis with records of version 0.1; each ended with a tab. */
const OLD = {
  pending: '{"hash":"req_pj-eoMws5MxGYxWJcYB8ympv5pc00","service_slug":"credit-score-rating","user_id":"user","session_id":"session","status":"pending","step":null,"progress":0,"current_message":"We have your request.","estimated_duration":60,"request_data":{"national_code":"private-national-code"},"otp_data":null,"result_data":null,"error_data":null,"attempt":0,"max_attempts":3,"version":1,"created_at":"2026-06-01T12:00:00.000Z","started_at":null,"updated_at":"2026-06-01T12:00:00.000Z","completed_at":null,"expires_at":"2026-06-01T12:30:00.000Z","message_key":"received","message_seal":"a3dw4FPv.-Gw31ecT"}',
  processing: '{"hash":"req_pj-eoMws5MxGYxWJcYB8ympv5pc00","service_slug":"credit-score-rating","user_id":"user","session_id":"session","status":"processing","step":"sending_otp","progress":30,"current_message":"Solving","estimated_duration":60,"request_data":{"national_code":"private-national-code"},"otp_data":null,"result_data":null,"error_data":null,"steps":[["authentication","29.000Z","1:30.007Z"],["captcha_solving","1:30.007Z","2:31.014Z"],["sending_otp","2:31.014Z"],"waiting_otp","verifying_otp","processing_result"],"attempt":1,"max_attempts":3,"estimated_end_at":"2026-06-01T12:01:23.000Z","reached":30,"version":5,"created_at":"2026-06-01T12:00:00.000Z","started_at":"2026-06-01T12:00:28.546Z","updated_at":"2026-06-01T12:02:31.014Z","completed_at":null,"expires_at":"2026-06-01T12:30:00.000Z","message_key":"captcha","message_params":{"n":1},"message_seal":"TP4fe-H0.axfoMnln","write_id":"Ab12_cd-34"}',
  otp_required: '{"hash":"req_pj-eoMws5MxGYxWJcYB8ympv5pc00","service_slug":"credit-score-rating","user_id":"user","session_id":"session","status":"otp_required","step":"sending_otp","progress":30,"current_message":"Solving","estimated_duration":60,"request_data":{"national_code":"private-national-code"},"otp_data":{"length":5,"charset":"digits","sent_to":"0912***4567","message":null,"expires_at":"2026-06-01T12:05:20.000Z","resend_available_at":"2026-06-01T12:03:50.000Z","attempts_left":3,"error":null,"requested_at":"2026-06-01T12:03:20.000Z","resends":0,"resend_requested":false,"recall":false},"result_data":null,"error_data":null,"steps":[["authentication","29.000Z","1:30.007Z"],["captcha_solving","1:30.007Z","2:31.014Z"],["sending_otp","2:31.014Z"],"waiting_otp","verifying_otp","processing_result"],"attempt":1,"max_attempts":3,"estimated_end_at":"2026-06-01T12:01:23.000Z","reached":30,"version":6,"created_at":"2026-06-01T12:00:00.000Z","started_at":"2026-06-01T12:00:28.546Z","updated_at":"2026-06-01T12:03:20.000Z","completed_at":null,"expires_at":"2026-06-01T12:30:00.000Z","message_key":"captcha","message_params":{"n":1},"message_seal":"TP4fe-H0.axfoMnln","otp_limits":{"attempts_left":3,"resends":0,"resend_available_at":"2026-06-01T12:03:50.000Z"},"write_id":"Ab12_cd-34"}',
  completed: '{"hash":"req_pj-eoMws5MxGYxWJcYB8ympv5pc00","service_slug":"credit-score-rating","user_id":"user","session_id":"session","status":"completed","step":"sending_otp","progress":100,"current_message":"Done.","estimated_duration":60,"request_data":{"national_code":"private-national-code"},"otp_data":null,"result_data":{"score":731},"error_data":null,"steps":[["authentication","29.000Z","1:30.007Z"],["captcha_solving","1:30.007Z","2:31.014Z"],["sending_otp","2:31.014Z","4:10.000Z"],["waiting_otp",null,null],["verifying_otp",null,null],["processing_result",null,null]],"attempt":1,"max_attempts":3,"estimated_end_at":"2026-06-01T12:01:23.000Z","reached":100,"version":6,"created_at":"2026-06-01T12:00:00.000Z","started_at":"2026-06-01T12:00:28.546Z","updated_at":"2026-06-01T12:04:10.000Z","completed_at":"2026-06-01T12:04:10.000Z","expires_at":"2026-06-01T12:34:10.000Z","message_key":"done","message_seal":"N3hBIrDL.XAOAkPpb","write_id":"Ab12_cd-34"}',
  foreign: '{"hash":"req_pj-eoMws5MxGYxWJcYB8ympv5pc00","service_slug":"credit-score-rating","user_id":"user","session_id":"session","status":"processing","step":"sending_otp","progress":30,"current_message":"Solving","estimated_duration":60,"request_data":{"national_code":"private-national-code"},"otp_data":null,"result_data":null,"error_data":null,"steps":[["authentication","29.000Z","1:30.007Z"],["captcha_solving","1:30.007Z","2:31.014Z"],["sending_otp","2:31.014Z"],"waiting_otp","verifying_otp","processing_result"],"attempt":1,"max_attempts":3,"estimated_end_at":"2026-06-01T12:01:23.000Z","reached":30,"version":5,"created_at":"2026-06-01T12:00:00.000Z","started_at":"2026-06-01T12:00:28.546Z","updated_at":"2026-06-01T12:02:31.014Z","completed_at":null,"expires_at":"2026-06-01T12:30:00.000Z","message_key":"captcha","message_params":{"n":1},"message_seal":"TP4fe-H0.axfoMnln","guarded":true,"write_id":"Ab12_cd-34"}',
  parts: '{"hash":"req_zBaGEbhrQ7b_djCKwB-yZmpv5pc00","service_slug":"three-provider-inquiry","user_id":"user","session_id":"session","status":"processing","step":"asking","progress":10,"current_message":"We have your request.","estimated_duration":10,"request_data":{"national_code":"private-national-code"},"otp_data":null,"result_data":null,"error_data":null,"steps":[["asking","1.000Z"],{"id":"swift","state":"waiting","started_at":null,"finished_at":null,"of":"asking"},{"id":"steady","state":"waiting","started_at":null,"finished_at":null,"of":"asking"},{"id":"thorough","state":"waiting","started_at":null,"finished_at":null,"of":"asking"},"comparing"],"attempt":1,"max_attempts":3,"estimated_end_at":"2026-06-01T12:00:10.000Z","reached":10,"version":3,"created_at":"2026-06-01T12:00:00.000Z","started_at":"2026-06-01T12:00:01.000Z","updated_at":"2026-06-01T12:00:01.000Z","completed_at":null,"expires_at":"2026-06-01T12:30:00.000Z","message_key":"received","message_seal":"a3dw4FPv.-Gw31ecT","write_id":"Ab12_cd-34"}',
} // biome-ignore format: as stored

const HASH = 'req_pj-eoMws5MxGYxWJcYB8ympv5pc00'
const decoded = (json: string): RequestRecord => decodeRecord(`${json}\t`) as RequestRecord
const RUNNING_STEPS = [
  { id: 'authentication', state: 'done', started_at: '2026-06-01T12:00:29.000Z', finished_at: '2026-06-01T12:01:30.007Z' },
  { id: 'captcha_solving', state: 'done', started_at: '2026-06-01T12:01:30.007Z', finished_at: '2026-06-01T12:02:31.014Z' },
  { id: 'sending_otp', state: 'current', started_at: '2026-06-01T12:02:31.014Z', finished_at: null },
  ...initialSteps(creditScoreRating.steps.slice(3)),
] // biome-ignore format: a table

describe('a record that version 0.1 stored', () => {
  it('an old pending record gets the steps of its service and all absent fields', () => {
    expect(decoded(OLD.pending)).toMatchObject({
      status: 'pending',
      steps: initialSteps(creditScoreRating.steps),
      owner_hash: null,
      cancelled_by: null,
      next_retry_at: null,
      deadline_at: null,
      max_progress: 0,
    })
  })

  it.each(['processing', 'otp_required', 'foreign'] as const)(
    'an old %s record gets full steps and times',
    (name) => {
      expect(decoded(OLD[name])).toMatchObject({
        steps: RUNNING_STEPS,
        progress: 30,
        max_progress: 30,
        revision: 'Ab12_cd-34',
      })
    },
  )

  it('an old completed record keeps skipped steps, result and end', () => {
    const { steps, result_data, completed_at } = decoded(OLD.completed)
    expect(steps.map(({ state }) => state)).toEqual(steps.map(() => 'done'))
    expect(steps[3]).toEqual({ id: 'waiting_otp', state: 'done', started_at: null, finished_at: null })
    expect([result_data, completed_at]).toEqual([{ score: 731 }, '2026-06-01T12:04:10.000Z'])
  })

  it('an old record keeps its substeps', () => {
    expect(decoded(OLD.parts).steps[1]).toMatchObject({ id: 'swift', of: 'asking', state: 'waiting' })
  })

  it('an upgraded record has none of the old field names', () => {
    for (const json of Object.values(OLD))
      for (const name of ['write_id', 'reached', 'guarded', 'message_seal'])
        expect(decoded(json)).not.toHaveProperty(name)
  })

  it('an old record changed by another program is read with the change', () => {
    const changed = JSON.stringify({ ...JSON.parse(OLD.processing), progress: 60 })
    expect(parseForeignRecord(changed, HASH)).toMatchObject({
      progress: 60,
      revision: 'Ab12_cd-34',
      steps: RUNNING_STEPS,
    })
  })

  it('an old record with an invalid step time reads it as null', () => {
    const broken = decoded(JSON.stringify({ ...JSON.parse(OLD.processing), steps: [['authentication', 7]] }))
    expect(broken.steps).toEqual([
      { id: 'authentication', state: 'current', started_at: null, finished_at: null },
    ])
  })

  it('an old record in Redis is stored in the new form by its next write', async () => {
    await client.set(
      keys.record(HASH),
      `${JSON.stringify({ ...JSON.parse(OLD.pending), expires_at: '2099-01-01T00:00:00.000Z' })}\t`,
      'EX',
      60,
    )
    expect((await store.apply(HASH, START)).ok).toBe(true)
    expect((await store.apply(HASH, { type: 'complete', attempt: 1, result: 1 })).ok).toBe(true)
    const stored = JSON.parse((await client.get(keys.record(HASH))) ?? '')
    expect(stored).toMatchObject({ status: 'completed', version: 3, max_progress: 100, cancelled_by: null })
    expect(stored.steps).toHaveLength(creditScoreRating.steps.length)
    expect(stored.steps[0]).toMatchObject({ state: 'done' })
  })
})
