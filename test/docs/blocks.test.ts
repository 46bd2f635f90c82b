/** Every code block of the documents is one that a test runs, or says why not. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toPublicView } from '../../core/domain/record.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { isRemovedExample } from '../helpers/examples.ts'
import { aHash, aRecord, T0 } from '../helpers/record.ts'
import { blocksOf, DOCUMENTS, differences, noteOf, ROOT, read } from './blocks.ts'

/** The documents for users, whose blocks are all run. */
const FOR_USERS = new Set([
  'QUICK-START',
  'ADD-A-SERVICE',
  'WRITE-A-BOT',
  'HTTP-API',
  'SOCKETS',
  'EMBED',
  'PARALLEL-TASKS',
  'README',
])
const blocks = DOCUMENTS.filter((path) => FOR_USERS.has(path.replace(/^docs\/|\.md$/g, ''))).flatMap(blocksOf)
const named = (document: string, note: string) =>
  blocks.filter((block) => block.document === document && block.note === note).map(({ text }) => text)

describe('the code blocks of the documents', () => {
  it('every block is in a language that a test runs or reads', () => {
    const known = ['sh', 'ts', 'js', 'json', 'python', 'html', 'css', 'http', '']
    for (const { document, line, language } of blocks)
      expect(known, `${document}:${line}`).toContain(language)
  })

  it('a TypeScript block is a whole file, or an excerpt of a file of the repository', () => {
    for (const block of blocks.filter(({ language }) => language === 'ts')) {
      const source = noteOf(block, 'from')
      const at = `${block.document}:${block.line}`
      if (source && isRemovedExample(source)) continue
      if (source) expect(read(source), at).toContain(block.text)
      else expect(block.path, at).not.toBeNull()
    }
  })

  const files = blocks.filter(({ language, path }) => language === 'ts' && path !== null)
  // `npx vitest run --project fast test/docs -u` writes them; `npm run types` checks them.
  it.each(files.map((block) => [block.path as string, block.text]))(
    'docs/examples/%s equals the block of its document',
    async (path, text) => {
      await expect(text).toMatchFileSnapshot(join(ROOT, 'docs/examples', path))
    },
  )

  it('at most three blocks are not run, each with its reason', () => {
    const reasons = blocks.filter(({ note }) => note.startsWith('not run')).map(({ note }) => note)
    for (const reason of reasons) expect(reason).toMatch(/^not run: .{20}/)
    expect(reasons.length).toBeLessThanOrEqual(3)
  })

  it('a CSS block sets only properties that the element has', () => {
    const tokens = read('public/styles/tokens.css')
    for (const { text } of blocks.filter(({ language }) => language === 'css'))
      for (const [, name] of text.matchAll(/^ +(--[\w-]+):/gm)) expect(tokens).toContain(`${name}:`)
  })
})

describe('the public view of docs/HTTP-API.md', () => {
  it('the public view of docs/HTTP-API.md has the fields of the real one, with values of their types', () => {
    const [text = ''] = named('docs/HTTP-API.md', 'public view')
    const documented = JSON.parse(text)
    expect(Object.keys(documented).sort()).toEqual(Object.keys(toPublicView(aRecord(), T0)).sort())
    const steps = documented.steps
    const real = toPublicView(aRecord({ ...documented, steps, estimated_duration: 90 }), T0)
    const { estimated_remaining_time: _, ...same } = documented
    expect(differences(same, real)).toEqual([])
  })
})

describe('the call and the answers of docs/WRITE-A-BOT.md', () => {
  let answer = ''
  let headers: IncomingHttpHeaders = {}
  const bot = createServer((req, res) => {
    headers = req.headers
    req.resume().on('end', () => res.end(answer))
  })
  const called = async () => {
    if (!bot.listening) await new Promise<void>((resolve) => bot.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(bot.address() as AddressInfo).port}`
    const client = createBotClient()
    cleanUp(() => client.stop())
    const { signal } = new AbortController()
    const call = { slug: 'parcel-tracking', hash: aHash(), attempt: 1, requestData: {}, signal }
    return client.call({ url, tokens: ['documented-bot-token'], ...call })
  }
  cleanUp(() => void bot.close())

  it('the call and the answers of docs/WRITE-A-BOT.md are what a worker sends and understands', async () => {
    const lines = named('docs/WRITE-A-BOT.md', 'bot answers').join('').trim().split('\n')
    expect(lines).toHaveLength(4)
    for (const line of lines) {
      answer = line
      const { message: _, ...documented } = JSON.parse(line)
      expect(differences(documented, await called()), line).toEqual([])
    }
    const [call = ''] = blocks.filter(({ language }) => language === 'http').map(({ text }) => text)
    const names = [...call.matchAll(/^([\w-]+): /gm)].map(([, name]) => String(name).toLowerCase())
    expect(names.length).toBe(5)
    expect(Object.keys(headers)).toEqual(expect.arrayContaining(names))
  })
})
