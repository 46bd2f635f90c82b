/** Processes of our own in tests: started from a TypeScript file, heard line by line, gone with the test file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { cleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'

export interface Child {
  readonly process: ChildProcess
  /** What it wrote so far, to either stream. */
  readonly output: () => string
  /** Resolves once it wrote this text. */
  waitForOutput(text: string): Promise<void>
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** @param file relative to the project's root */
export function startChild(file: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn(process.execPath, ['--require', inject('runBundled'), file, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
  })
  cleanUp(() => void child.kill('SIGKILL'))
  return follow(child)
}

/** One of package.json's scripts, as people start it, in a process group of its own. */
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
          if (!output.includes(text)) throw new Error(`"${text}" was not said, but: ${output}`)
        },
        { withinMs: 60_000 },
      ),
    ended: new Promise((resolve) => {
      const end = (code: number | null, signal: string | null): void => resolve(code ?? signal ?? -1)
      child.once('close', end)
      // With its output given up there is nothing left to wait for.
      child.once('exit', (code, signal) => child.stdout?.destroyed && end(code, signal))
    }),
  }
}
