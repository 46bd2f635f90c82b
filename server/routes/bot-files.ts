/** `POST /api/bots/requests/{hash}/files`: a file of the result. */
import express, { type RequestHandler } from 'express'
import type { BotReports } from '../../core/actions/bot-reports.ts'
import { MAX_FILE_BYTES } from '../../core/store/request-files.ts'
import { attemptOf, calledHash } from './bot-call.ts'

export const receiveFile = (reports: Pick<BotReports, 'addFile'>): RequestHandler[] => [
  express.raw({ limit: MAX_FILE_BYTES, type: () => true }),
  async (req, res) => {
    const body: unknown = req.body
    const stored = await reports.addFile(calledHash(req), attemptOf(req), {
      name: String(req.query.name ?? ''),
      // What has no body is no Buffer.
      bytes: Buffer.isBuffer(body) ? body : '',
      type: req.get('content-type'),
    })
    res.status(201).json(stored)
  },
]
