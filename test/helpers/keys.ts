/** The Redis keys of an installation without prefixes, as in most tests. */
import { createKeys } from '../../core/redis/keys.ts'

export const keys = createKeys({})
