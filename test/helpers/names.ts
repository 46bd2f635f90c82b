/** The names of an installation whose prefixes nobody has set, as most tests have it. */
import { createNames } from '../../core/redis/keys.ts'

export const keys = createNames({})
