/** The settings of the examples. Those of Halfway itself are in core/runtime/config.ts. */
import { z } from 'zod'
import { SettingsError } from '../../core/runtime/startup-error.ts'

const port = z.coerce.number().int().min(1).max(65_535)
const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1')

const schema = z.object({
  DEMO_PORTAL_PORT: port.default(9998),
  /** How many times faster than a real portal. */
  DEMO_PORTAL_SPEED: z.coerce.number().min(0.1).max(10_000).default(1),
  /** Also checks sites on this machine and in private networks. */
  LINK_CHECK_ALLOW_PRIVATE: flag.default(false),
})

/** The names of all of them, for the test that compares them with the documents. */
export const EXAMPLE_SETTINGS = Object.keys(schema.shape)

export interface ExampleSettings {
  readonly portalPort: number
  readonly portalSpeed: number
  readonly portalUrl: string
  readonly linkCheckAllowPrivate: boolean
}

/** @throws SettingsError naming every invalid setting */
export function loadExampleSettings(env: Readonly<Record<string, string | undefined>>): ExampleSettings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = schema.safeParse(given)
  if (!parsed.success)
    throw new SettingsError(parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`))
  const { DEMO_PORTAL_PORT, DEMO_PORTAL_SPEED, LINK_CHECK_ALLOW_PRIVATE } = parsed.data
  return {
    portalPort: DEMO_PORTAL_PORT,
    portalSpeed: DEMO_PORTAL_SPEED,
    portalUrl: `http://127.0.0.1:${DEMO_PORTAL_PORT}`,
    linkCheckAllowPrivate: LINK_CHECK_ALLOW_PRIVATE,
  }
}
