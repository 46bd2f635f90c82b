/** `prove-gone <hash>`: searches for the hash of an expired request wherever Redis could still have it. */
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../core/domain/errors.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { listMasters, type RedisNode } from '../../core/redis/server-info.ts'
import { sealsData } from '../../core/runtime/data-box.ts'
import { findRequest } from '../find-request.ts'
import type { Installation } from '../installation.ts'
import { type Context, EXIT, type ExitCode, plural } from '../terminal.ts'

interface Found {
  where: string
  what: string
}
interface Search {
  /** What was searched, for the last line. */
  searched: string
  found: Found[]
  /** A part of it could not be searched this time. */
  isIncomplete?: boolean
}

const BATCH_SIZE = 500

/** @throws AppError `not_final` for a request that can still be read */
export async function proveGone(
  context: Context,
  installation: Installation,
  name: string,
): Promise<ExitCode> {
  const { redis, store, config } = installation
  const hash = await findRequest(installation, name)
  if (await store.read(hash))
    throw new AppError('not_final', { detail: 'The request can still be read: its record has not expired.' })
  const nodes = listMasters(redis)
  const searches = [
    await searchKeys(nodes, hash),
    await searchSlowLog(nodes, hash),
    await searchFiles(redis, hash, sealsData(config.connections.dataKeys)),
  ]
  const found = searches.flatMap((search) => search.found)
  const searched = searches.map((search) => search.searched)
  const isGone = found.length === 0 && !searches.some(({ isIncomplete }) => isIncomplete)
  if (context.json) context.printJson({ hash, gone: isGone, searched, found })
  else {
    if (found.length > 0)
      context.printTable([['WHERE', 'WHAT'], ...found.map(({ where, what }) => [where, what])])
    context.print(
      `${found.length === 0 ? 'Nothing' : plural(found.length, 'trace')} of ${hash} found. Searched: ${searched.join('; ')}.`,
    )
  }
  return isGone ? EXIT.done : EXIT.failed
}

async function searchKeys(nodes: readonly RedisNode[], hash: string): Promise<Search> {
  const found: Found[] = []
  let count = 0
  let refused = 0
  for (const node of nodes)
    for await (const keys of node.scanStream({ count: BATCH_SIZE })) {
      count += keys.length
      const values = await Promise.all(
        (keys as string[]).map((key) =>
          readValue(node, key).catch(() => {
            refused++
            return ''
          }),
        ),
      )
      for (const [i, key] of (keys as string[]).entries()) {
        if (key.includes(hash)) found.push({ where: key, what: 'the name of a key' })
        else if (values[i]?.includes(hash)) found.push({ where: key, what: 'the value of a key' })
      }
    }
  const note = refused > 0 ? `, but not the values of ${refused}, which this user may not read` : ''
  return { searched: plural(count, 'key') + note, found }
}

/** As text, of any type. */
async function readValue(node: RedisNode, key: string): Promise<string> {
  switch (await node.type(key)) {
    case 'string':
      return (await node.getBuffer(key))?.toString('latin1') ?? ''
    case 'hash':
      return JSON.stringify(await node.hgetall(key))
    case 'list':
      return (await node.lrange(key, 0, -1)).join('\n')
    case 'set':
      return (await node.smembers(key)).join('\n')
    case 'zset':
      return (await node.zrange(key, '0', '-1')).join('\n')
    case 'stream':
      return JSON.stringify(await node.xrange(key, '-', '+'))
    default:
      return ''
  }
}

async function searchSlowLog(nodes: readonly RedisNode[], hash: string): Promise<Search> {
  try {
    const logs = await Promise.all(nodes.map((node) => node.slowlog('GET', 1000)))
    const found = JSON.stringify(logs).includes(hash) ? [{ where: 'slow log', what: 'a command' }] : []
    return { searched: 'the slow log', found }
  } catch {
    return { searched: 'not the slow log, which this user may not read', found: [] }
  }
}

/** The snapshot and the append-only files of a Redis on this machine. */
async function searchFiles(redis: RedisClient, hash: string, isSealed: boolean): Promise<Search> {
  const setting = async (name: string): Promise<string> =>
    ((await redis.config('GET', name)) as string[])[1] ?? ''
  let folder: string
  let names: string[]
  try {
    folder = await setting('dir')
    names = [await setting('dbfilename'), await setting('appenddirname'), await setting('appendfilename')]
  } catch {
    return { searched: 'no files: this user may not ask Redis where they are', found: [] }
  }
  if (folder === '' || !existsSync(folder))
    return { searched: 'no files: those of Redis are on another machine', found: [] }
  const what = isSealed ? 'the hash; the data beside it is sealed' : 'the hash, and what it had'
  const found: Found[] = []
  let count = 0
  try {
    const present = names.filter((name) => name !== '' && existsSync(join(folder, name)))
    for (const file of present.flatMap((name) => filesIn(join(folder, name)))) {
      if (await fileHas(file, hash)) found.push({ where: file, what })
      count++
    }
    return { searched: `${plural(count, 'file')} of Redis`, found }
  } catch (error) {
    // Redis removes files while it rewrites them.
    const { code, path = folder, message } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'was removed meanwhile: run this again' : `cannot be read (${code ?? message})`
    const searched = `${plural(count, 'file')} of Redis, but not all: ${path} ${why}`
    return { searched, found, isIncomplete: true }
  }
}

const filesIn = (path: string): string[] =>
  statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path]

async function fileHas(path: string, text: string): Promise<boolean> {
  let rest = ''
  for await (const chunk of createReadStream(path, { encoding: 'latin1' })) {
    if ((rest + chunk).includes(text)) return true
    rest = (rest + chunk).slice(-text.length)
  }
  return false
}
