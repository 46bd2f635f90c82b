/** Processes as their npm commands start them, stopped by a signal to npm. */
import { expect } from 'vitest'
import { type Child, startScript } from './child.ts'
import { eventually } from './eventually.ts'

export const LOCAL_API_TOKEN = 'a-token-of-the-tests'
const SETTINGS = {
  LOG_LEVEL: 'info',
  NODE_ENV: 'test',
  DRAIN_SECONDS: '20',
  LOCAL_API_TOKEN,
}

/** Resolves once the command has started. @param env names the Redis in REDIS_URL */
export async function startCommand(name: string, args: string[], env: NodeJS.ProcessEnv): Promise<Child> {
  const child = startScript(name, args, { ...SETTINGS, ...env })
  await child.waitForOutput(name === 'start' ? 'Halfway is ready' : '"msg":"started"')
  return child
}

export const signalNpm = ({ process: npm }: Child): void => void npm.kill('SIGTERM')
export const signalGroup = ({ process: npm }: Child): void =>
  void process.kill(-(npm.pid as number), 'SIGTERM')

export const expectGroupEnded = ({ process: npm }: Child): Promise<void> =>
  eventually(() => expect(() => process.kill(-(npm.pid as number), 0)).toThrow('ESRCH'))

/** npm has exited with 0, and its process group has ended. */
export async function expectStopped(child: Child): Promise<void> {
  expect(await child.ended, child.output()).toBe(0)
  await expectGroupEnded(child)
}
