/** `POST /api/bots/requests/{hash}/files`: a file of the result. */
import express, { type RequestHandler } from 'express'
import { z } from 'zod'
import { checkAttempt } from '../../core/actions/bot-reports.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { RequestFiles } from '../../core/store/request-files.ts'
import type { RequestStore } from '../../core/store/request-store.ts'
import { attemptOf, calledHash } from './bot-call.ts'
import { parseWith } from './parse-with.ts'

const MAX_FILE_BYTES = 5 * 1024 * 1024
const CONTENT_TYPE = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(?:; ?charset=[\w-]{1,40})?$/

const query = z.object({
  /** Becomes a header, and the name of a file of the submitter. */
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\p{C}/\\]+$/u, 'must be the name of a file'),
})

export const receiveFile = ({
  store,
  files,
}: {
  store: Pick<RequestStore, 'get'>
  files: Pick<RequestFiles, 'add'>
}): RequestHandler[] => [
  express.raw({ limit: MAX_FILE_BYTES, type: () => true }),
  async (req, res) => {
    const attempt = attemptOf(req)
    const { name } = parseWith(query, req.query)
    const bytes: unknown = req.body
    if (!Buffer.isBuffer(bytes) || bytes.length === 0)
      throw new AppError('validation_failed', { errors: [{ field: 'body', code: 'required' }] })
    const given = req.get('content-type') ?? ''
    const type = CONTENT_TYPE.test(given) ? given : 'application/octet-stream'
    const { record } = await store.get(calledHash(req))
    checkAttempt(record, attempt)
    const id = await files.add(record, { name, type, bytes })
    res.status(201).json({ name, size: bytes.length, id })
  },
]
