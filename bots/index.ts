/** `halfway/bot`: what a bot of a program of its own is written with. */
import { type Bot, type BotOptions, openBot } from './bot-server/open-bot.ts'

export type { ServiceDefinition } from '../core/catalog/service-definition.ts'
export { commonMessage } from '../core/domain/common-messages.ts'
export type { LocalizedMessage } from '../core/domain/message.ts'
export { StartupError } from '../core/runtime/startup-error.ts'
export { defineTask, task } from '../core/tasks/task.ts'
export { BotFailure } from './bot-failure.ts'
export {
  type BotRequest,
  type BotService,
  type DataOf,
  defineService,
  type Handle,
} from './bot-server/define-service.ts'
export { messageBuilder } from './bot-server/messages.ts'
export { codeRejected, type SmsSent, smsSent } from './bot-server/sms-sent.ts'
export {
  createUpdater,
  type HttpUpdaterOptions,
  type NewFile,
  type RedisUpdaterOptions,
  type StoredFile,
} from './updater.ts'
export type { Updater } from './updater-interface.ts'
export type { Bot, BotOptions }

/**
 * Starts a bot in this process: its HTTP server, and the announcement of its services. Resolves once they are announced.
 * Settings are those of the environment and `.env`, where `options` gives none.
 *
 * @throws StartupError when a setting is invalid, the port is in use or Redis does not answer
 */
export const createBot = (options: BotOptions): Promise<Bot> => openBot(options, process.env)
