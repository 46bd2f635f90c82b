/** The operators' command line: `npm run cli -- --help`. */
import { runCommand } from '../core/runtime/process.ts'
import { runCli } from './program.ts'

await runCommand(process.env, (env, signal) =>
  runCli(process.argv.slice(2), {
    env,
    signal,
    out: process.stdout,
    err: process.stderr,
    input: process.stdin,
  }),
)
