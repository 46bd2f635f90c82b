import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/**
 * `npm test`: fast files first, as many at once as there are cores; then the slow ones, whole processes end to end,
 * with time limits of their own, so that their load never makes a fast test late. `npm run test:faults`: whatever can
 * be killed is killed.
 */
export default defineConfig({
  test: {
    // Vitest keeps one core for itself, which on a machine with two means one file at a time.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/faults/**'],
          testTimeout: 10_000,
          hookTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          // One at a time: each has a dozen processes of its own to keep the machine busy.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
