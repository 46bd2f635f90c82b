/** The names of an installation whose prefixes nobody has set, as most tests have it. */
import { createKeys } from '../../core/redis/keys.ts'

export const keys = createKeys({})
