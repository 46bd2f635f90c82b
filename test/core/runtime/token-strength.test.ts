import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../core/runtime/config.ts'
import { findWeakness } from '../../../core/runtime/token-strength.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const FOLDERS = ['core', 'server', 'workers', 'bots', 'cli', 'test', 'bench', 'docs']

/** Every token written anywhere in this repository. */
function publishedTokens(): string[] {
  const files = FOLDERS.flatMap((folder) =>
    (readdirSync(`${ROOT}${folder}`, { recursive: true }) as string[]).map((name) => `${folder}/${name}`),
  ).filter((path) => /\.(ts|md|html)$/.test(path))
  return ['README.md', 'CONTRIBUTING.md', '.env.example', 'start.ts', ...files].flatMap((path) => {
    const text = readFileSync(`${ROOT}${path}`, 'utf8')
    const named = text.matchAll(/\b(?:LOCAL_API|DEVELOPMENT)_TOKEN(?:: |=| = )["'`]?([\w.-]{16,})/g)
    return [...named].map(([, token]) => token as string)
  })
}
const errorOf = (token: string, env: Record<string, string> = {}): string => {
  try {
    loadConfig({ LOCAL_API_TOKEN: token, ...env })
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
const PRODUCTION = { NODE_ENV: 'production', REDIS_URL: 'redis://redis' }

describe('LOCAL_API_TOKEN in production', () => {
  it('a production token that is published in this repository is refused', () => {
    const published = publishedTokens().filter((token) => !/^(process|config)\./.test(token))
    expect(published).toEqual(
      expect.arrayContaining(['local-development-only', 'choose-a-long-random-secret']),
    )
    for (const token of published)
      expect.soft(errorOf(token, PRODUCTION), token).toContain('example from documents')
  })

  it.each([
    'changeme-changeme',
    'CHANGE_ME_IN_PRODUCTION',
    'my-super-secret-password',
    'passwordpassword1',
    'secret-token-123456',
    'replace-this-with-your-token',
    'aaaaaaaaaaaaaaaa',
    'abababababababab',
    'aabbccddaabbccddaabb',
    'abcdefghijklmnop',
    '1234567890123456',
    '0123456789abcdef',
    'zyxwvutsrqponmlkj',
    'x7Qx7Qx7Qx7Qx7Qx7Qx7Q',
    '----------------',
    '0000000000000001',
  ])('a production token that is easy to guess is refused without being repeated: %s', (token) => {
    const error = errorOf(token, PRODUCTION)
    expect(error).toMatch(/LOCAL_API_TOKEN: .+ openssl rand/)
    expect(error).not.toContain(token)
    // Outside production it is accepted.
    expect(errorOf(token)).toBe('')
  })

  it('a random production token is accepted in any encoding', () => {
    for (let i = 0; i < 3000; i++) {
      for (const token of [
        randomBytes(12).toString('base64'), randomBytes(16).toString('hex'), randomBytes(24).toString('base64url'),
        `halfway_token_${randomBytes(16).toString('hex')}`,
      ]) // biome-ignore format: a list
        expect(findWeakness(token), token).toBeNull()
    }
    expect(findWeakness('correct-horse-battery-staple')).toBeNull()
  })
})

it.each([
  'a-token-with-a-line\nbreak',
  'a-token-with-a-line\r\nX-Injected: 1',
  'a-token-that-ends-in-a-line-break\n',
  ' a-token-after-a-space',
  'a token with spaces in it',
  'a-token-with-a-tab\tin it',
  'a-token-with-\u0000-in-it',
  'یک-رمز-فارسی-با-شانزده-حرف',
  'a-token-with-ümlauts-in-it',
])('a token that cannot be sent in a header is refused in every environment: %j', (token) => {
  for (const env of [{}, PRODUCTION]) expect(errorOf(token, env)).toContain('LOCAL_API_TOKEN: must be ASCII')
})
