/** Runs for each test file, though the files of one worker share their modules. */
import { afterAll } from 'vitest'
import { cleanAll } from './clean-up.ts'

afterAll(cleanAll)
