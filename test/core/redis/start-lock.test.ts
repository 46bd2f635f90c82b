import { mkdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { tryLock, unlock } from '../../../core/redis/start-lock.ts'
import { useFolder } from '../../helpers/redis.ts'

const folder = useFolder()
const STALE_AFTER_MS = 10_000

test('a lock is taken once until it is released', () => {
  const lock = join(folder, 'once')
  expect(tryLock(lock, STALE_AFTER_MS)).toBe(true)
  expect(tryLock(lock, STALE_AFTER_MS)).toBe(false)
  unlock(lock)
  expect(tryLock(lock, STALE_AFTER_MS)).toBe(true)
})

test('a lock that another process releases during a try is not an error', async () => {
  const lock = join(folder, 'contended')
  const other = new Worker(
    `const { mkdirSync, rmdirSync } = require('node:fs')
     const { workerData: lock } = require('node:worker_threads')
     for (;;) try { mkdirSync(lock); rmdirSync(lock) } catch {}`,
    { eval: true, workerData: lock },
  )
  try {
    let taken = 0
    for (let tries = 0; tries < 3_000 || taken === 0; tries++)
      if (tryLock(lock, STALE_AFTER_MS)) {
        taken++
        unlock(lock)
      }
  } finally {
    await other.terminate()
  }
})

test('a lock of a killed process is free once it is stale', () => {
  const lock = join(folder, 'stale')
  mkdirSync(lock)
  const seconds = Date.now() / 1000 - STALE_AFTER_MS / 1000 - 1
  utimesSync(lock, seconds, seconds)
  expect(tryLock(lock, STALE_AFTER_MS)).toBe(false)
  expect(tryLock(lock, STALE_AFTER_MS)).toBe(true)
})

test('a lock in a folder that is missing is an error that names it', () => {
  expect(() => tryLock(join(folder, 'missing', 'lock'), STALE_AFTER_MS)).toThrow(/ENOENT.*missing/)
})
