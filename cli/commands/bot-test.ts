/** `bot-test`: checks a bot against the contract. */
import { readFile } from 'node:fs/promises'
import { AppError } from '../../core/domain/errors.ts'
import { DEVELOPMENT_TOKEN } from '../../core/runtime/config.ts'
import { runBotTest } from '../bot-test/run-bot-test.ts'
import { styled } from '../layout.ts'
import { type Context, EXIT, type ExitCode, plural } from '../terminal.ts'

export interface BotTestFlags {
  serverPort: number
  service?: string
  definition?: string
  data?: Record<string, unknown>
  code?: string
  token?: string
  run?: string
  pid?: number
}

const SYMBOLS = { ok: styled('green', '✓'), fail: styled('red', '✗'), skip: '–' } as const

export async function botTest(context: Context, url: string, flags: BotTestFlags): Promise<ExitCode> {
  const { env, signal } = context
  const verdicts = await runBotTest({
    url: new URL(url).origin,
    token: flags.token ?? env.BOT_TOKEN ?? env.LOCAL_API_TOKEN ?? DEVELOPMENT_TOKEN,
    serverPort: flags.serverPort,
    slug: flags.service,
    definition: flags.definition === undefined ? undefined : await readJsonFile(flags.definition),
    data: flags.data,
    code: flags.code,
    command: flags.run,
    pid: flags.pid,
    env,
    signal,
  })
  const failed = verdicts.filter(({ result }) => result === 'fail').length
  if (context.json) context.printJson(verdicts)
  else {
    const rows = verdicts.map(({ check, result, why }) => [check, SYMBOLS[result], why])
    context.printTable([['CHECK', '', 'WHAT WAS SEEN'], ...rows])
    for (const { check, output = [] } of verdicts)
      if (output.length > 0)
        context.print(
          `The output of the bot ends, where the check "${check}" failed:`,
          ...output.map((line) => `    ${line}`),
        )
    const skipped = verdicts.filter(({ result }) => result === 'skip').length
    const counts = `${plural(verdicts.length, 'check')}, ${failed} failed, ${skipped} not applicable`
    context.print(signal.aborted ? `Interrupted: ${counts}.` : `${counts}.`)
  }
  return failed === 0 && !signal.aborted ? EXIT.done : EXIT.failed
}

async function readJsonFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    throw new AppError('invalid_json', { detail: `${path} is no file with JSON.` })
  }
}
