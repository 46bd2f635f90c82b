/** Lets bots in by their tokens, and remembers which bot a call is from. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler, Response } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import { isAllowedAddress } from '../../core/runtime/bot-addresses.ts'
import { DEVELOPMENT_TOKEN } from '../../core/runtime/config.ts'

/** Of the same length for any text, so that the comparison takes the same time. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** @param tokens by the name of the bot */
export function requireBotToken(tokens: ReadonlyMap<string, readonly string[]>): RequestHandler {
  const expected = [...tokens].flatMap(([name, some]) =>
    some.map((token) => ({ name, digest: digest(`Bearer ${token}`), token })),
  )
  return (req, res, next) => {
    const given = digest(req.get('authorization') ?? '')
    const bot = expected.find((one) => timingSafeEqual(one.digest, given))
    // Everybody knows the token of development, so it opens nothing to other machines.
    const isLocal = isAllowedAddress(`http://${bracketed(req.socket.remoteAddress ?? '')}`, ['loopback'])
    if (bot && (bot.token !== DEVELOPMENT_TOKEN || isLocal)) {
      res.locals.bot = bot.name
      return next()
    }
    res.set('WWW-Authenticate', 'Bearer')
    throw new AppError('unauthorized', { detail: 'Send Authorization: Bearer with the token of a bot.' })
  }
}

/** The name of the token the call was sent with. */
export const botOf = (res: Response): string => String(res.locals.bot)

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
