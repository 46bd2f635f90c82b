/** Files of results: beside the record, for as long as it. Those of an attempt replace those of the attempts before. */
import { AppError, type FieldError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'
import { withStorageErrors } from './storage-errors.ts'

export interface RequestFile {
  name: string
  type: string
  bytes: Buffer
}

/** A file as a bot gives it. */
export interface NewFile {
  /** 1 to 200 characters without slashes and control characters. */
  name: string
  /** 1 byte to 5 MB. A text is stored as UTF-8. */
  bytes: Uint8Array | string
  /** A MIME type such as `application/pdf`. One that is none, or left out, becomes `application/octet-stream`. */
  type?: string
}

/** What a result refers to a file by. */
export interface StoredFile {
  name: string
  /** In bytes. */
  size: number
  id: string
}

export interface RequestFiles {
  /** @throws AppError as `toRequestFile`, `validation_failed` for one too many, `storage_unavailable` */
  add(record: RequestRecord, file: NewFile): Promise<StoredFile>
  /** @throws AppError `storage_unavailable` */
  find(hash: string, id: string): Promise<RequestFile | null>
}

const MAX_FILES = 5
export const MAX_FILE_BYTES = 5 * 1024 * 1024
/** It becomes a header, and the name of a file of the submitter. */
const FILE_NAME = /^[^\p{C}/\\]{1,200}$/u
const CONTENT_TYPE = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(?:; ?charset=[\w-]{1,40})?$/

/** @throws AppError `validation_failed` for an invalid name or an empty file, `body_too_large` */
export function toRequestFile({ name, bytes: given, type = '' }: NewFile): RequestFile {
  if (typeof name !== 'string' || !FILE_NAME.test(name))
    throw invalidFile({
      field: 'name',
      code: 'invalid_report',
      params: { reason: 'must be the name of a file' },
    })
  const bytes = Buffer.from(given as Uint8Array)
  if (bytes.length === 0) throw invalidFile({ field: 'body', code: 'required' })
  if (bytes.length > MAX_FILE_BYTES) throw new AppError('body_too_large')
  return { name, bytes, type: CONTENT_TYPE.test(type) ? type : 'application/octet-stream' }
}

const invalidFile = (error: FieldError): AppError => new AppError('validation_failed', { errors: [error] })

/** @param count of the files that the attempt has already. @throws AppError `validation_failed` */
export function checkFileCount(count: number): void {
  if (count < MAX_FILES) return
  const reason = `a request has at most ${MAX_FILES} files`
  throw invalidFile({ field: 'body', code: 'invalid_report', params: { reason } })
}

export function createRequestFiles({ redis }: { redis: RedisClient }): RequestFiles {
  const { files: filesKey, file: fileKey } = redis.names

  /** Takes the first free place of the attempt. */
  async function claim(hash: string, attempt: number, meta: string): Promise<string> {
    const key = filesKey(hash)
    for (let taken = 0; ; taken++) {
      checkFileCount(taken)
      const id = `${attempt}.${taken + 1}`
      const isFree = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, () => redis.hsetnx(key, id, meta))
      if (isFree) return id
    }
  }

  return {
    async add({ hash, attempt, expires_at }, given) {
      const { name, type, bytes } = toRequestFile(given)
      return withStorageErrors(async () => {
        const id = await claim(hash, attempt, redis.box.seal(filesKey(hash), JSON.stringify({ name, type })))
        const expiresAt = Date.parse(expires_at)
        await redis.pexpireat(filesKey(hash), expiresAt)
        try {
          const key = fileKey(hash, id)
          await redis.set(key, redis.box.sealBytes(key, bytes), 'PXAT', expiresAt)
        } catch (error) {
          await redis.hdel(filesKey(hash), id).catch(() => {})
          throw error
        }
        const older = (await redis.hkeys(filesKey(hash))).filter(
          (other) => Number.parseInt(other, 10) < attempt,
        )
        await removeFiles(redis, hash, older)
        return { name, size: bytes.length, id }
      })
    },

    find: (hash, id) =>
      withStorageErrors(async () => {
        const key = fileKey(hash, id)
        const [meta, stored] = await Promise.all([redis.hget(filesKey(hash), id), redis.getBuffer(key)])
        const bytes = stored && redis.box.openBytes(key, stored)
        const { name, type } =
          parseObject<RequestFile>(meta === null ? null : redis.box.open(filesKey(hash), meta)) ?? {}
        return bytes && typeof name === 'string' && typeof type === 'string' ? { name, type, bytes } : null
      }),
  }
}

/** After the end of its request: keeps the files of a result as long as the record, and deletes all others. */
export async function releaseFiles(
  redis: RedisClient,
  { hash, status, expires_at }: RequestRecord,
): Promise<void> {
  if (status !== 'completed') return removeAllFiles(redis, hash)
  const key = redis.names.files(hash)
  const ids = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, () => redis.hkeys(key))
  if (ids.length === 0) return
  const keys = [key, ...ids.map((id) => redis.names.file(hash, id))]
  await Promise.all(keys.map((each) => redis.pexpireat(each, Date.parse(expires_at))))
}

/** All files of a request. */
export async function removeAllFiles(redis: RedisClient, hash: string): Promise<void> {
  const key = redis.names.files(hash)
  const ids = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, () => redis.hkeys(key))
  await removeFiles(redis, hash, ids)
}

async function removeFiles(redis: RedisClient, hash: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await Promise.all(ids.map((id) => redis.del(redis.names.file(hash, id))))
  await redis.hdel(redis.names.files(hash), ...ids)
}
