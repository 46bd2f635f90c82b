/** The settings of the examples. Those of Halfway itself are in core/runtime/config.ts. */
import { z } from 'zod'
import { SettingsError } from '../../core/runtime/startup-error.ts'

const port = z.coerce.number().int().min(1).max(65_535)
const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1')

const schema = z.object({
  DEMO_PORTAL_PORT: port.default(9998),
  /** How many times faster than a real portal. */
  DEMO_PORTAL_SPEED: z.coerce.number().min(0.1).max(10_000).default(1),
  /** The host name of the pages on which the codes are typed. */
  DEMO_PORTAL_SITE: z
    .string()
    .regex(/^[a-z0-9.-]+$/i, 'must be a host name')
    .default('localhost'),
  /** Also checks sites on this machine and in private networks. */
  LINK_CHECK_ALLOW_PRIVATE: flag.default(false),
  /** Other ports are not called, unless private addresses are allowed. */
  LINK_CHECK_PORTS: z
    .string()
    .transform((text) => text.split(',').map(Number))
    .pipe(z.array(z.int().min(1).max(65_535), 'must be ports with commas between, such as 80,443'))
    .default([80, 443]),
  /** Whether addresses that robots.txt excludes are left out. */
  LINK_CHECK_ROBOTS: z.enum(['on', 'off']).default('on'),
  /** To one host, over all runs of this bot. */
  LINK_CHECK_REQUESTS_PER_SECOND: z.coerce.number().min(0.1).max(1000).default(5),
})

/** The names of all of them, for the test that compares them with the documents. */
export const EXAMPLE_SETTINGS = Object.keys(schema.shape)

export interface ExampleSettings {
  readonly portalPort: number
  readonly portalSpeed: number
  readonly portalSite: string
  readonly portalUrl: string
  readonly linkCheck: {
    readonly allowPrivate: boolean
    readonly ports: readonly number[]
    readonly respectRobots: boolean
    readonly requestsPerSecond: number
  }
}

/** @throws SettingsError naming every invalid setting */
export function loadExampleSettings(env: Readonly<Record<string, string | undefined>>): ExampleSettings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = schema.safeParse(given)
  if (!parsed.success)
    throw new SettingsError(parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`))
  const { DEMO_PORTAL_PORT, DEMO_PORTAL_SPEED, DEMO_PORTAL_SITE, ...linkCheck } = parsed.data
  return {
    portalPort: DEMO_PORTAL_PORT,
    portalSpeed: DEMO_PORTAL_SPEED,
    portalSite: DEMO_PORTAL_SITE,
    portalUrl: `http://127.0.0.1:${DEMO_PORTAL_PORT}`,
    linkCheck: {
      allowPrivate: linkCheck.LINK_CHECK_ALLOW_PRIVATE,
      ports: linkCheck.LINK_CHECK_PORTS,
      respectRobots: linkCheck.LINK_CHECK_ROBOTS === 'on',
      requestsPerSecond: linkCheck.LINK_CHECK_REQUESTS_PER_SECOND,
    },
  }
}
