/** Prometheus' own checks of rules and metrics (Debian: `prometheus`). */
import { spawnSync } from 'node:child_process'
import { findExecutable } from './executables.ts'

/** Tests that need it are skipped. */
export const isPromtoolMissing = findExecutable('promtool') === undefined && !process.env.CI

/** @returns what it complains of, empty when it accepts the input */
export function promtool(args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return status === 0 ? '' : `${error ?? ''}${stdout}${stderr}`
}
