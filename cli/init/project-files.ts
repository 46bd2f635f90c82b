/** The files of a new project, by path. */
import { VERSION } from './version.ts'

export const projectFiles = ({
  name,
  halfway = `^${VERSION}`,
}: {
  name: string
  halfway?: string
}): Readonly<Record<string, string>> => ({
  'package.json': `${JSON.stringify(packageOf(name, halfway), null, 2)}\n`,
  '.gitignore': 'node_modules/\n.env\n',
  'exec.cmd': EXEC_ON_WINDOWS,
  'README.md': readme(name),
  'services/hello/index.js': SERVICE,
  'test/hello.test.js': TEST,
})

const packageOf = (name: string, halfway: string) => ({
  name,
  version: '0.1.0',
  private: true,
  type: 'module',
  scripts: {
    // Replaces the shell that npm starts it in, so that a signal to npm reaches it.
    start: 'exec halfway start --bots services',
    test: 'node --test',
  },
  dependencies: { halfway },
})

const readme = (name: string): string => `# ${name}

    npm install
    npm start

Then open http://localhost:3000. \`npm start\` runs the server, the workers, the bot of this project and, where REDIS_URL names
none, a private Redis that keeps nothing.

Each folder of \`services/\` with an \`index.js\` is a service: its definition (the form, the steps, the result) and the function
that does the work. Start again after a change. \`npm test\` runs it without Redis and server.

In production each part is one process: \`npx halfway server\`, \`npx halfway workers\` and \`npx halfway bots services\`.
`

const EXEC_ON_WINDOWS = `@rem Windows has no exec, by which npm start replaces the shell that npm starts it in.
@%*
`

const SERVICE = `import { BotFailure, defineService } from 'halfway/bot'

export default defineService(
  {
    slug: 'hello',
    title: 'Hello',
    description: 'Asks before it greets.',
    icon: '👋',
    fields: [{ name: 'name', type: 'text', label: 'Your name', example: 'Ada' }],
    steps: [
      { id: 'preparing', title: 'Prepare', usual_seconds: 3 },
      { id: 'greeting', title: 'Greet', usual_seconds: 3 },
    ],
    result: {
      headline: 'greeting',
      fields: [{ name: 'greeting', type: 'text', label: 'Greeting' }],
    },
  },
  async ({ name }, request) => {
    await request.updateProgress(20, 'preparing', 'Preparing…')
    const isWanted = await request.askConfirm({ message: \`Greet \${name}?\` })
    if (!isWanted) throw new BotFailure('declined', 'No greeting was wanted.')
    await request.updateProgress(80, 'greeting', 'Greeting…')
    return { greeting: \`Hello, \${name}!\` }
  },
)
`

const TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runHandler } from 'halfway/test'
import hello from '../services/hello/index.js'

test('greets by name', async () => {
  const { result } = await runHandler(hello, { name: 'Ada' }, { answers: ['yes'] })
  assert.deepEqual(result, { greeting: 'Hello, Ada!' })
})

test('fails when no greeting is wanted', async () => {
  await assert.rejects(runHandler(hello, { name: 'Ada' }, { answers: ['no'] }), { code: 'declined' })
})
`
