/** Settings in the samples for deployment: names that exist, and values with which a process of production starts. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { loadConfig } from '../../core/runtime/config.ts'
import { ENV_NAMES } from '../../core/runtime/env-schema.ts'

/** What the person who deploys puts into `.env`, `/etc/halfway.env` or a secret. */
export const SECRETS = {
  REDIS_PASSWORD: 'c0ffee00c0ffee00c0ffee00c0ffee00',
  LOCAL_API_TOKEN: randomBytes(32).toString('base64url'),
}
/** The address that Kubernetes gives a pod, of which the manifest makes a setting. */
const OTHER_NAMES = ['POD_IP']

export function expectSettings(env: Record<string, string>): ReturnType<typeof loadConfig> {
  for (const name of Object.keys(env)) expect([...ENV_NAMES, ...OTHER_NAMES]).toContain(name)
  const config = loadConfig({ NODE_ENV: 'production', ...env })
  expect(config.production).toBe(true)
  return config
}
