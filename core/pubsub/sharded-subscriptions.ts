/**
 * Subscriptions to sharded channels in a Cluster, on a connection to each master: a message reaches only the nodes of its slot.
 *
 * Each channel has to be subscribed where its slot is at present. A lost connection, a slot that has moved and a failover all
 * end in the same step: the channel is subscribed at its owner by the newest table of slots, and its listeners read.
 */
import type { Cluster, Redis } from 'ioredis'
import { nanoid } from 'nanoid'
import type { RedisClient } from '../redis/connect.ts'
import { keySlot } from '../redis/key-slot.ts'
import type { Log } from '../runtime/log.ts'
import { openMessage } from '../store/sealed-fields.ts'
import type { ChannelListener } from './channel-listener.ts'
import { createHealth, type Health, type SubscriberCheck, startSubscriberCheck } from './subscriber-health.ts'

interface Channel {
  readonly name: string
  readonly slot: number
  readonly listeners: Set<ChannelListener>
  /** The address of the master where it is subscribed, or being so; null where it has to be. */
  at: string | null
  /** Of the latest command for it: an answer to an earlier one counts for nothing. */
  asked: object | null
  isConfirmed: boolean
  readonly subscribed: Promise<void>
  confirm(): void
}

interface Deps {
  /** The command connection, which knows the table of slots. */
  cluster: Cluster & Pick<RedisClient, 'names' | 'box'>
  openShard(address: string): Redis
  log: Log
}

interface Context extends Deps {
  channels: Map<string, Channel>
  /** By address. */
  shards: Map<string, Redis>
  checks: Map<string, SubscriberCheck & { channel: string }>
  health: ReturnType<typeof createHealth>
  retry: NodeJS.Timeout | undefined
  isStopped: boolean
}

/** ioredis reads the table of slots again only when a command finds it outdated, or is asked to. */
const REFRESH_MS = 10_000
const RETRY_MS = 250
/** Names tried to find one in a slot of a given master. */
const MAX_NAMES = 2_000

export interface ShardedSubscriptions {
  listen(name: string, listener: ChannelListener): Promise<() => void>
  readonly health: Health
  stop(): void
}

export function createShardedSubscriptions(deps: Deps): ShardedSubscriptions {
  const context: Context = {
    ...deps,
    channels: new Map(),
    shards: new Map(),
    checks: new Map(),
    health: createHealth(),
    retry: undefined,
    isStopped: false,
  }
  const { cluster, channels, shards, checks, health } = context
  const onRefresh = (): void => placeAll(context)
  cluster.on('refresh', onRefresh)
  const timer = setInterval(() => cluster.refreshSlotsCache(), REFRESH_MS).unref()
  placeAll(context)
  return {
    listen: (name, listener) => listen(context, name, listener),
    health,
    stop() {
      context.isStopped = true
      clearInterval(timer)
      clearTimeout(context.retry)
      cluster.off('refresh', onRefresh)
      for (const check of checks.values()) check.stop()
      for (const shard of shards.values()) shard.disconnect()
      channels.clear()
      health.clear()
    },
  }
}

async function listen(context: Context, name: string, listener: ChannelListener): Promise<() => void> {
  const { channels, shards } = context
  const channel = channels.get(name) ?? openChannel(name)
  channel.listeners.add(listener)
  if (channels.get(name) !== channel) {
    channels.set(name, channel)
    void place(context, channel)
  }
  await channel.subscribed
  return () => {
    if (!channel.listeners.delete(listener) || channel.listeners.size > 0) return
    if (channels.get(name) !== channel) return
    channels.delete(name)
    unsubscribe(shards.get(channel.at ?? ownerOf(context, channel.slot) ?? ''), name)
  }
}

function unsubscribe(shard: Redis | undefined, name: string): void {
  if (shard?.status === 'ready') shard.sunsubscribe(name).catch(() => {})
}

const ownerOf = ({ cluster }: Context, slot: number): string | undefined => cluster.slots[slot]?.[0]

/** Subscribes it at the owner of its slot, unless it is there. */
async function place(context: Context, channel: Channel): Promise<void> {
  const { channels, shards, log } = context
  const { name, at: before } = channel
  const owner = ownerOf(context, channel.slot)
  if (owner === undefined || before === owner) return
  if (before !== null) unsubscribe(shards.get(before), name)
  channel.at = null
  const shard = shards.get(owner)
  // Once it is ready, all are placed.
  if (shard?.status !== 'ready') return
  const asked = {}
  Object.assign(channel, { at: owner, asked })
  try {
    await shard.ssubscribe(name)
  } catch (error) {
    log.debug({ err: error }, 'could not subscribe')
    if (channel.asked !== asked) return
    channel.at = null
    return retryLater(context)
  }
  if (channel.asked !== asked || channels.get(name) !== channel) return
  // The gap ends here, not when the table of slots is known: a read before this would miss a message published after it.
  if (channel.isConfirmed) for (const listener of channel.listeners) listener.onGap()
  channel.isConfirmed = true
  channel.confirm()
}

function placeAll(context: Context): void {
  const { cluster, channels, shards } = context
  if (context.isStopped) return
  const owners = new Set(cluster.slots.flatMap((nodes) => nodes?.[0] ?? []))
  for (const owner of owners) if (!shards.has(owner)) open(context, owner)
  for (const address of shards.keys()) if (owners.size > 0 && !owners.has(address)) close(context, address)
  for (const channel of channels.values()) void place(context, channel)
  for (const address of shards.keys()) keepCheck(context, address)
  if (owners.size === 0 || [...channels.values()].some(({ at }) => at === null)) retryLater(context)
}

/** With a new table of slots. */
function retryLater(context: Context): void {
  if (context.isStopped) return
  context.retry ??= setTimeout(() => {
    context.retry = undefined
    context.cluster.refreshSlotsCache(() => placeAll(context))
  }, RETRY_MS).unref()
}

function open(context: Context, address: string): void {
  const { channels, shards, cluster } = context
  const shard = context.openShard(address)
  shards.set(address, shard)
  const lose = (): void => {
    for (const channel of channels.values())
      if (channel.at === address) Object.assign(channel, { at: null, asked: null })
    retryLater(context)
  }
  shard.on('ready', () => placeAll(context))
  shard.on('close', lose)
  // Redis has ended subscriptions of a slot that has moved. ioredis does not say which: all are repeated.
  shard.on('moved', lose)
  shard.on('smessage', (name: string, message: string) => {
    const json = cluster.box.opens ? openMessage(cluster.box, message) : message
    for (const listener of channels.get(name)?.listeners ?? []) listener.onMessage(json)
  })
}

/** A node without slots. */
function close(context: Context, address: string): void {
  const { shards, checks, channels } = context
  checks.get(address)?.stop()
  checks.delete(address)
  shards.get(address)?.disconnect()
  shards.delete(address)
  for (const channel of channels.values()) if (channel.at === address) channel.at = null
  updateHealth(context)
}

const updateHealth = ({ checks, health }: Context): void =>
  health.set([...checks.values()].every(({ isUp }) => isUp))

/** Checks the connection by a channel in a slot of its master. */
function keepCheck(context: Context, address: string): void {
  const { cluster, checks, shards, log } = context
  const present = checks.get(address)
  if (present && ownerOf(context, keySlot(present.channel)) === address) return
  present?.stop()
  checks.delete(address)
  const channel = findName(context, address)
  const subscriber = shards.get(address)
  if (channel === undefined || !subscriber) return
  const check = startSubscriberCheck({
    channel,
    publish: (text) => cluster.spublish(channel, text),
    subscriber,
    listen: (name, listener) => listen(context, name, listener),
    log,
  })
  check.onChange(() => updateHealth(context))
  checks.set(address, Object.assign(check, { channel }))
  updateHealth(context)
}

function findName(context: Context, address: string): string | undefined {
  for (let tries = 0; tries < MAX_NAMES; tries++) {
    const name = context.cluster.names.subscriberCheck(`{${nanoid()}}`)
    if (ownerOf(context, keySlot(name)) === address) return name
  }
  return undefined
}

function openChannel(name: string): Channel {
  let confirm = (): void => {}
  const subscribed = new Promise<void>((resolve) => {
    confirm = resolve
  })
  const slot = keySlot(name)
  return { name, slot, listeners: new Set(), at: null, asked: null, isConfirmed: false, subscribed, confirm }
}
