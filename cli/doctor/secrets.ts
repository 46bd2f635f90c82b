/** Checks that no two secrets are the same, and that other users of this machine cannot read the file they are in. */
import { hash } from 'node:crypto'
import type { Config } from '../../core/runtime/config.ts'
import { isSettingsFileOpen } from '../../core/runtime/settings-file.ts'
import { type Finding, ok } from './check-result.ts'

export function checkSettingsFile(): Finding {
  const check = 'Settings file'
  if (!isSettingsFileOpen()) return ok(check, 'no .env that other users of this machine can read')
  const found = '.env can be read by other users of this machine, with its tokens and keys'
  return { check, result: 'warn', found, todo: 'chmod 600 .env' }
}

/** Who has one secret must not have what another one opens. Digests are compared: API keys are known as such only. */
export function checkTokens(config: Config): Finding {
  const check = 'Tokens and keys'
  const names = new Map<string, Set<string>>()
  for (const [name, digest] of secretsOf(config))
    names.set(digest, (names.get(digest) ?? new Set()).add(name))
  const same = [...names.values()].filter(({ size }) => size > 1).map((some) => [...some].join(' = '))
  if (same.length === 0) return ok(check, 'are all different')
  const todo = 'Make one for each: openssl rand -base64 32. Who has the one has what the other opens, too.'
  return { check, result: 'warn', found: `the same value in ${same.join('; ')}`, todo }
}

/** BOT_TOKEN is not there: it is one of those that the server knows. */
function secretsOf({ bots, connections, metrics, server }: Config): [name: string, digest: string][] {
  const { console: access, submitters } = server
  const plain: [name: string, secret: string | undefined][] = [
    ...[...bots.tokens].flatMap(([name, tokens]) =>
      tokens.map((token): [string, string] => [
        name === 'default' ? 'LOCAL_API_TOKEN' : `BOT_TOKENS (${name})`,
        token,
      ]),
    ),
    ['ADMIN_TOKEN', access?.by === 'token' ? access.token : undefined],
    ['METRICS_TOKEN', metrics.token],
    ...connections.dataKeys.flatMap(writtenForms).map((form): [string, string] => ['DATA_KEY', form]),
  ]
  return [
    ...plain.flatMap(([name, secret]): [string, string][] =>
      secret ? [[name, hash('sha256', secret)]] : [],
    ),
    ...Object.entries(submitters.keyDigests).flatMap(([name, digests]) =>
      digests.map((digest): [string, string] => [`API_KEYS (${name})`, digest]),
    ),
  ]
}

const writtenForms = (key: Buffer): string[] => {
  const forms = [key.toString('base64'), key.toString('base64url')]
  return [...forms, ...forms.map((form) => (form.endsWith('=') ? form.slice(0, -1) : `${form}=`))]
}
