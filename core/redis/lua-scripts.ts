/** The Lua scripts as ioredis takes them. `scripts.ts` calls them. */
import { readFileSync } from 'node:fs'

const script = (name: string): string => readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
/** For ioredis. Without `numberOfKeys` the number is the first argument. */
export const SCRIPTS = {
  runCommitRequest: { lua: script('commit-request') },
  runCreateRequests: { lua: script('create-requests') },
  runAssignRounds: { lua: script('assign-rounds'), numberOfKeys: 3 },
  runAddFailure: { lua: script('add-failure'), numberOfKeys: 2 },
  runReserveInWindow: { lua: script('reserve-in-window'), numberOfKeys: 1 },
  runReserveWithinLimit: { lua: script('reserve-within-limit'), numberOfKeys: 1 },
  runTakeDue: { lua: script('take-due'), numberOfKeys: 1 },
  runFindEndless: { lua: script('find-endless') },
  runFindPending: { lua: script('find-pending') },
  runFindPositions: { lua: script('find-positions'), numberOfKeys: 2 },
  runReserveBot: { lua: script('reserve-bot') },
  runAnnounceService: { lua: script('announce-service'), numberOfKeys: 5 },
  runNoteEnd: { lua: script('note-end'), numberOfKeys: 2 },
  runAddNewest: { lua: script('add-newest'), numberOfKeys: 1 },
}

type Argument = string | number | Buffer

/** What ioredis adds to a client for SCRIPTS. */
export interface Scripts {
  runCommitRequest(...args: Argument[]): Promise<1 | string | null>
  runCreateRequests(...args: Argument[]): Promise<(0 | 1)[]>
  runAssignRounds(...args: Argument[]): Promise<number[]>
  runAddFailure(...args: Argument[]): Promise<0 | 1>
  runReserveInWindow(...args: Argument[]): Promise<number>
  runReserveWithinLimit(...args: Argument[]): Promise<(0 | 1 | 2)[]>
  runTakeDueBuffer(...args: Argument[]): Promise<Buffer[]>
  runFindEndless(...args: Argument[]): Promise<string[]>
  runFindPending(...args: Argument[]): Promise<(0 | 1)[]>
  runFindPositions(...args: Argument[]): Promise<number[]>
  runReserveBot(...args: Argument[]): Promise<number>
  runAnnounceService(...args: Argument[]): Promise<string>
  runNoteEnd(...args: Argument[]): Promise<0 | 1>
  runAddNewest(...args: Argument[]): Promise<1>
}
export type Runs<Name extends keyof Scripts> = Pick<Scripts, Name>
