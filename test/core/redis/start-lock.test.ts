import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { beforeEach, expect, test } from 'vitest'
import { tryLock, unlock } from '../../../core/redis/start-lock.ts'
import { useFolder } from '../../helpers/redis.ts'

/** Of a process that has ended. */
const { pid: ENDED } = spawnSync('true')

let folder: string
let lock: string
beforeEach(() => {
  folder = useFolder()
  lock = join(folder, 'lock')
})

test('a lock is taken once until it is released', () => {
  expect(tryLock(lock)).toBe(true)
  expect(tryLock(lock)).toBe(false)
  expect(readdirSync(folder)).toEqual(['lock'])
  unlock(lock)
  expect(tryLock(lock)).toBe(true)
})

test('a lock that another process releases during a try is not an error', async () => {
  const other = new Worker(
    `const { writeFileSync, rmSync } = require('node:fs')
     const { workerData: lock } = require('node:worker_threads')
     for (;;) try { writeFileSync(lock, String(process.pid), { flag: 'wx' }); rmSync(lock) } catch {}`,
    { eval: true, workerData: lock },
  )
  try {
    let taken = 0
    for (let tries = 0; tries < 3_000 || taken === 0; tries++)
      if (tryLock(lock)) {
        taken++
        unlock(lock)
      }
  } finally {
    await other.terminate()
  }
})

test('a lock of a process that was killed is free at the next try', () => {
  writeFileSync(lock, String(ENDED))
  expect(tryLock(lock)).toBe(false)
  expect(tryLock(lock)).toBe(true)
  expect(readdirSync(folder)).toEqual(['lock'])
})

test('a lock is not removed while another process removes the stale one, which it may have taken since', () => {
  writeFileSync(lock, String(ENDED))
  writeFileSync(`${lock}-removing`, String(process.pid))
  expect(tryLock(lock)).toBe(false)
  expect(tryLock(lock)).toBe(false)
  expect(readdirSync(folder)).toEqual(['lock', 'lock-removing'])
})

test('a lock in a folder that is missing is an error that names it', () => {
  expect(() => tryLock(join(folder, 'missing', 'lock'))).toThrow(/ENOENT.*missing/)
})
