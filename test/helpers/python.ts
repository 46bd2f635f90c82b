/** The installed Python. Required in CI. */
import { spawnSync } from 'node:child_process'

const IS_NEW_ENOUGH = 'import sys; sys.exit(sys.version_info < (3, 9))'

/** Tests of bots in Python are skipped. */
export const isPythonMissing = spawnSync('python3', ['-c', IS_NEW_ENOUGH]).status !== 0 && !process.env.CI
