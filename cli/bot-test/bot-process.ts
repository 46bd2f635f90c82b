/** The process of the bot: started by the kit, or running with a known id. */
import { spawn } from 'node:child_process'

export interface BotProcess {
  /** As an operator stops it: SIGTERM. */
  terminate(): void
  isRunning(): boolean
  /** The last lines of its output; empty for a process that the kit did not start. */
  output(): string
  /** Ends what still runs. */
  kill(): void
}

const KEPT_OUTPUT = 4_000

/** Starts it by the shell, in a process group of its own, so that signals reach every part of a command. */
export function startBotProcess(command: string, env: NodeJS.ProcessEnv): BotProcess {
  const child = spawn(command, { shell: true, detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const append = (data: Buffer): void => {
    output = (output + data.toString()).slice(-KEPT_OUTPUT)
  }
  child.stdout.on('data', append)
  child.stderr.on('data', append)
  child.on('error', (error) => append(Buffer.from(error.message)))
  let isRunning = true
  // Every process of the command has closed its output: the shell may end before the bot does.
  child.once('close', () => {
    isRunning = false
  })
  return { ...processOf(-(child.pid ?? 0)), isRunning: () => isRunning, output: () => output }
}

/** @param pid negative for a process group */
export function processOf(pid: number): BotProcess {
  function signal(name: NodeJS.Signals | 0): boolean {
    try {
      return pid !== 0 && process.kill(pid, name)
    } catch {
      return false
    }
  }
  return {
    terminate: () => void signal('SIGTERM'),
    isRunning: () => signal(0),
    output: () => '',
    // A process of an operator is left alone.
    kill: () => void (pid < 0 && signal('SIGKILL')),
  }
}
