/** The scripts of lua/ as commands of a connection; keys, arguments and answers as their headers say. */
import { readFileSync } from 'node:fs'

const script = (name: string): string => readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
export const SCRIPTS = {
  commitRequest: { lua: script('commit-request'), numberOfKeys: 3 },
  // How many keys there are is its first argument.
  createRequests: { lua: script('create-requests') },
  takeTurns: { lua: script('take-turns'), numberOfKeys: 2 },
  keepFailure: { lua: script('keep-failure'), numberOfKeys: 2 },
  holdQueue: { lua: script('hold-queue'), numberOfKeys: 1 },
  reserve: { lua: script('reserve'), numberOfKeys: 1 },
  admitRequests: { lua: script('admit'), numberOfKeys: 1 },
  takeDue: { lua: script('take-due'), numberOfKeys: 1 },
  endlessKeys: { lua: script('endless') },
  arePending: { lua: script('pending') },
}

export interface Scripts {
  commitRequest(...args: (string | number | Buffer)[]): Promise<1 | string | null>
  createRequests(keyCount: number, ...args: (string | number)[]): Promise<(0 | 1)[]>
  takeTurns(...args: (string | number)[]): Promise<number[]>
  keepFailure(...args: (string | number)[]): Promise<0 | 1>
  holdQueue(...args: (string | number)[]): Promise<0 | 1>
  reserve(...args: (string | number)[]): Promise<number>
  admitRequests(...args: (string | number)[]): Promise<number[]>
  takeDueBuffer(...args: (string | number)[]): Promise<Buffer[]>
  endlessKeys(count: number, ...keys: string[]): Promise<string[]>
  arePending(count: number, ...keys: string[]): Promise<(0 | 1)[]>
}
