import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** `npm run test:deployment`. */
const DEPLOYMENT = ['test/faults/{dockerfile,behind-proxy}.test.ts']

/** `npm run test:slow`: files that start many processes, or have to wait for seconds. */
const SLOW = [
  'test/{e2e,package,core/tasks}/**/*.test.ts',
  'bots/**/test/e2e/*.test.ts',
  'test/bots/python.test.ts',
  'test/cli/{bot-test,doctor-security,terminal}.test.ts',
  'test/core/pubsub/nats.test.ts',
  'test/core/redis/{connect,embedded,emptied,tls}.test.ts',
  'test/public/connection/connect.test.ts',
  'test/server/{degraded,health,idempotency-life,socket-limits}.test.ts',
  'test/workers/{clock,drain,hanging-bot,refused-writes,takeover,unreached-bots}.test.ts',
  'test/supply-chain.test.ts',
]

/**
 * `npm test`: the fast files, one more at once than there are cores. `npm run test:slow`: the others, with time limits of
 * their own. `npm run test:all`: both, the slow ones last, so that their load never makes a fast test late.
 * `npm run test:faults`: whatever can be killed is killed.
 *
 * The files of a worker share its modules (`isolate: false`): to load Express, BullMQ and Socket.IO for each of them
 * took as long as their tests. So a helper does nothing on import that a second file would need again, and what is to
 * be cleaned up goes to `cleanUp` (test/helpers/clean-up.ts).
 */
export default defineConfig({
  test: {
    // Vitest keeps one core for itself, which on a machine with two means one file at a time; and half of the time of a
    // file is spent waiting for processes, browsers and polls.
    maxWorkers: availableParallelism() + 1,
    globalSetup: 'test/helpers/bundles.ts',
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts', 'bots/**/test/*.test.ts'],
          exclude: [...SLOW, 'test/faults/**'],
          isolate: false,
          setupFiles: 'test/helpers/setup.ts',
          // For what hangs: no test is measured by it, so that a busy machine fails none.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'slow',
          include: SLOW,
          isolate: false,
          setupFiles: 'test/helpers/setup.ts',
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          exclude: DEPLOYMENT,
          setupFiles: 'test/helpers/setup.ts',
          testTimeout: 180_000,
          hookTimeout: 60_000,
          // One at a time: each has a dozen processes of its own to keep the machine busy.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          // Builds the image of the Dockerfile, and minutes of load on an idle machine, by nginx and HAProxy.
          name: 'deployment',
          include: DEPLOYMENT,
          setupFiles: 'test/helpers/setup.ts',
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
