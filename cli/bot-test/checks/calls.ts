/** What a bot must refuse, and what it must know. */
import { type BotReply, type CallOptions, codeIn, describeReply, replyWithin } from '../bot-call.ts'
import { type CheckFinding, fail, type Kit, pass } from '../kit.ts'

/** The answer to a call that needs no work. */
const answerTo = ({ caller, limits }: Kit, options: CallOptions): Promise<BotReply> =>
  replyWithin(caller.start(options), limits.answer)

export async function checkHealth(kit: Kit): Promise<CheckFinding> {
  const reply = await answerTo(kit, { method: 'GET', path: '/health' })
  return reply.status === 200
    ? pass('GET /health answers 200 without a token')
    : fail(`GET /health: ${describeReply(reply)}, must be 200 without a token: proxies and "doctor" ask it`)
}

export async function checkToken(kit: Kit): Promise<CheckFinding> {
  for (const [what, token] of [
    ['without a token', undefined],
    ['with a wrong token', `${kit.token}-wrong`],
    ['with the start of the token', kit.token.slice(0, -1)],
  ] as const) {
    const { hash, reports } = kit.open()
    const body = { ...kit.data, requestHash: hash }
    const reply = await answerTo(kit, { path: `/api/services/${kit.slug}`, token, body })
    if (reply.status !== 401 && reply.status !== 403)
      return fail(`a call ${what}: ${describeReply(reply)}, must be 401: anyone could have work done`)
    if (reports.length > 0) return fail(`a call ${what} was refused, but its work was done`)
  }
  return pass('calls without the token are refused')
}

export async function checkKnownServices(kit: Kit): Promise<CheckFinding> {
  const { slug, token } = kit
  const list = await answerTo(kit, { method: 'GET', path: '/api/services', token })
  const { services } = (list.body ?? {}) as { services?: unknown }
  const slugs = (Array.isArray(services) ? services : []).map((one) => one?.slug ?? one)
  if (!slugs.includes(slug))
    return fail(`GET /api/services: ${describeReply(list)}, must list "${slug}" in "services"`)
  const { hash } = kit.open()
  const unknown = 'bot-test-unknown-service'
  const reply = await answerTo(kit, { path: `/api/services/${unknown}`, token, body: { requestHash: hash } })
  return reply.status === 404 && codeIn(reply) === 'unknown_service'
    ? pass('it lists its services, and refuses an unknown one')
    : fail(
        `an unknown service: ${describeReply(reply)}, must be 404 unknown_service: the worker then asks another bot`,
      )
}

const BAD_BODIES = [
  ['cut JSON', '{"requestHash":'],
  ['a list', '[]'],
  ['an object without requestHash', '{}'],
  ['a hash of another form', '{"requestHash":"req_../../etc"}'],
] as const

export async function checkBadBodies(kit: Kit): Promise<CheckFinding> {
  for (const [what, body] of BAD_BODIES) {
    const path = `/api/services/${kit.slug}`
    const reply = await answerTo(kit, { path, token: kit.token, body })
    if (reply.status < 400 || reply.status > 499)
      return fail(`a body of ${what}: ${describeReply(reply)}, must be 4xx: to try again would not help`)
  }
  const health = await answerTo(kit, { method: 'GET', path: '/health' })
  return health.status === 200
    ? pass('bodies that cannot be read are refused with 4xx')
    : fail(`after bodies that cannot be read: GET /health: ${describeReply(health)}`)
}

export async function checkResume(kit: Kit): Promise<CheckFinding> {
  const request = kit.open()
  const reply = await answerTo(kit, {
    path: `/api/services/${kit.slug}`,
    token: kit.token,
    headers: { 'idempotency-key': request.hash, 'x-attempt': '1', 'x-resume': 'true' },
    body: { ...kit.data, requestHash: request.hash },
  })
  const isRefused = codeIn(reply) === 'session_lost'
  request.end('already_final')
  if (isRefused && request.reports.length === 0) return pass('X-Resume without a session: session_lost')
  return fail(
    `X-Resume: true for a request that it does not run: ${describeReply(reply)}, must be session_lost: the submitter may have answered already, and the work would be done twice`,
  )
}
