/** Runs anew for each test file, though the modules of one worker are shared between its files. */
import { afterAll } from 'vitest'
import { cleanAll } from './clean-up.ts'

afterAll(cleanAll)
