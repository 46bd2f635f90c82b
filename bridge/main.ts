/** The bridge (`npm run start:bridge`): carries updates from Redis to each NATS server, for servers that receive them there. */
import { Command } from 'commander'
import { type NatsLink, openNats } from '../core/pubsub/nats-link.ts'
import { openRedis } from '../core/redis/connect.ts'
import { commandName, parseOptions } from '../core/runtime/command-line.ts'
import { runProcess } from '../core/runtime/process.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { startBridge } from './carry-updates.ts'

await runProcess({ name: 'bridge', env: process.env }, async (context) => {
  const { config, log, register, shutdown } = context
  const command = new Command(commandName('npm run start:bridge --', 'halfway bridge')).description(
    'Carries updates from Redis to the servers of NATS_URL.',
  )
  if (!parseOptions(command, process.argv.slice(2))) return shutdown('only --help was requested')
  const { nats } = config
  if (!nats) throw new StartupError('NATS_URL is not set: it names the servers that updates are carried to.')
  const connections = await register(
    'redis',
    openRedis(config.redis, log, { ...config.connections, rights: 'bridge' }),
  )
  const redis = await connections.connect('fail-fast')
  const subscriber = await connections.connect('subscriber')
  const bridge = await register('bridge', startBridge({ redis, subscriber, log }))
  const links: NatsLink[] = []
  await register('nats', { stop: () => Promise.all(links.map((link) => link.stop())).then(() => {}) })
  // A server that is away is no reason to leave the others without updates.
  const opening = nats.servers.map(async (server) => {
    const link = await openNats({ ...nats, servers: [server] }, { name: 'bridge', log, waits: true })
    links.push(link)
    bridge.carryTo(link)
    log.info({ nats: server, redis: connections.address }, 'updates are carried')
  })
  const failed = (error: unknown): void => {
    log.fatal({ err: error }, 'no updates are carried to a server of NATS_URL')
    shutdown('a server of NATS_URL cannot be used')
  }
  await Promise.race(opening)
  for (const one of opening) one.catch(failed)
})
