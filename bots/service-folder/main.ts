/** The process of a bot with every service of a folder: `halfway bots <folder>`. */
import { Command } from 'commander'
import { parseArguments } from '../../core/runtime/command-line.ts'
import { runProcess } from '../../core/runtime/process.ts'
import { startBot } from '../bot-server/create-bot.ts'
import { loadServices } from './load-services.ts'

await runProcess({ name: 'bots', env: process.env }, async (context) => {
  const command = new Command('halfway bots')
    .description('Starts a bot with every service of a folder.')
    .argument('<folder>', 'each subfolder with an index.js, index.mjs or index.ts is a service')
  const parsed = parseArguments(command, process.argv.slice(2))
  if (!parsed) return context.shutdown('only --help was requested')
  await startBot(context, await loadServices(parsed.args[0] as string))
})
