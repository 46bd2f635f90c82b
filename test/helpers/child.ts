/** Child processes in tests: started from a TypeScript file, with their output, killed after the test file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { cleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'

export interface Child {
  readonly process: ChildProcess
  /** Its stdout and stderr so far. */
  readonly output: () => string
  /** Resolves once its output contains the text. */
  waitForOutput(text: string): Promise<void>
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * @param file relative to the project's root
 * @param preload Node options to run TypeScript; by default those that run its bundle
 * @param cwd its working directory; another one than the project's root needs the bundle
 */
export function startChild(
  file: string,
  args: string[] = [],
  env: NodeJS.ProcessEnv = {},
  preload = ['--require', inject('runBundled')],
  cwd = ROOT,
): Child {
  const child = spawn(process.execPath, [...preload, file, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
  })
  cleanUp(() => void child.kill('SIGKILL'))
  return follow(child)
}

/** Starts a script of package.json by npm, in its own process group. */
export function startScript(name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn('npm', ['run', '--silent', name, '--', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  cleanUp(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL')
    } catch {
      // The whole group has ended.
    }
  })
  return follow(child)
}

function follow(child: ChildProcess): Child {
  let output = ''
  const append = (data: Buffer): void => {
    output += data.toString()
  }
  child.stdout?.on('data', append)
  child.stderr?.on('data', append)
  return {
    process: child,
    output: () => output,
    waitForOutput: (text) =>
      eventually(
        () => {
          if (!output.includes(text)) throw new Error(`"${text}" is not in the output: ${output}`)
        },
        { withinMs: 60_000 },
      ),
    ended: new Promise((resolve) => {
      const end = (code: number | null, signal: string | null): void => resolve(code ?? signal ?? -1)
      child.once('close', end)
      // `close` never comes when the test has destroyed stdout.
      child.once('exit', (code, signal) => child.stdout?.destroyed && end(code, signal))
    }),
  }
}
