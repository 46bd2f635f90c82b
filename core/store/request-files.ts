/** Files of results: beside the record, for as long as it. Those of an attempt replace those of the attempts before. */
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'
import { withStorageErrors } from './storage-errors.ts'

export interface RequestFile {
  name: string
  /** As the bot gave it. */
  type: string
  bytes: Buffer
}

export interface RequestFiles {
  /** @returns the id of the file. @throws AppError `validation_failed` for one too many, `storage_unavailable` */
  add(record: RequestRecord, file: RequestFile): Promise<string>
  /** @throws AppError `storage_unavailable` */
  find(hash: string, id: string): Promise<RequestFile | null>
}

const MAX_FILES = 5

export function createRequestFiles({ redis }: { redis: RedisClient }): RequestFiles {
  const { files: filesKey, file: fileKey } = redis.names

  /** Takes the first free place of the attempt. */
  async function claim(hash: string, attempt: number, meta: string): Promise<string> {
    const key = filesKey(hash)
    for (let place = 1; place <= MAX_FILES; place++) {
      const id = `${attempt}.${place}`
      const isFree = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, () => redis.hsetnx(key, id, meta))
      if (isFree) return id
    }
    const reason = `a request has at most ${MAX_FILES} files`
    throw new AppError('validation_failed', {
      errors: [{ field: 'body', code: 'invalid_definition', params: { reason } }],
    })
  }

  return {
    add: ({ hash, attempt, expires_at }, { name, type, bytes }) =>
      withStorageErrors(async () => {
        const id = await claim(hash, attempt, JSON.stringify({ name, type }))
        const expiresAt = Date.parse(expires_at)
        await redis.pexpireat(filesKey(hash), expiresAt)
        try {
          await redis.set(fileKey(hash, id), bytes, 'PXAT', expiresAt)
        } catch (error) {
          await redis.hdel(filesKey(hash), id).catch(() => {})
          throw error
        }
        const older = (await redis.hkeys(filesKey(hash))).filter(
          (other) => Number.parseInt(other, 10) < attempt,
        )
        await removeFiles(redis, hash, older)
        return id
      }),

    find: (hash, id) =>
      withStorageErrors(async () => {
        const [meta, bytes] = await Promise.all([
          redis.hget(filesKey(hash), id),
          redis.getBuffer(fileKey(hash, id)),
        ])
        const { name, type } = parseObject<RequestFile>(meta) ?? {}
        return bytes && typeof name === 'string' && typeof type === 'string' ? { name, type, bytes } : null
      }),
  }
}

/** After the end of its request: keeps the files of a result as long as the record, and deletes all others. */
export async function releaseFiles(
  redis: RedisClient,
  { hash, status, expires_at }: RequestRecord,
): Promise<void> {
  const key = redis.names.files(hash)
  const ids = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, () => redis.hkeys(key))
  if (ids.length === 0) return
  if (status !== 'completed') return removeFiles(redis, hash, ids)
  const keys = [key, ...ids.map((id) => redis.names.file(hash, id))]
  await Promise.all(keys.map((each) => redis.pexpireat(each, Date.parse(expires_at))))
}

async function removeFiles(redis: RedisClient, hash: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await Promise.all(ids.map((id) => redis.del(redis.names.file(hash, id))))
  await redis.hdel(redis.names.files(hash), ...ids)
}
