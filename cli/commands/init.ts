/** `halfway init <folder>`: writes a project with one service, which `npm start` runs. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { projectFiles } from '../init/project-files.ts'
import { type Context, EXIT, type ExitCode } from '../terminal.ts'

/** @param halfway the version or address that the project depends on, instead of that of this package */
export async function init(
  { print }: Pick<Context, 'print'>,
  folder: string,
  { halfway }: { halfway?: string } = {},
): Promise<ExitCode> {
  const root = resolve(folder)
  if ((await filesIn(root)).length > 0) throw new StartupError(`${folder} is not empty; name a new folder.`)
  for (const [path, content] of Object.entries(projectFiles({ name: packageName(root), halfway }))) {
    const file = join(root, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }
  print(
    `${folder} is a project with one service, services/hello/index.js. Start it:`,
    '',
    `  cd ${folder}`,
    '  npm install',
    '  npm start',
    '',
    'Then open http://localhost:3000. After a change of services/hello/index.js, start it again.',
  )
  return EXIT.done
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new StartupError(`${folder} cannot be used: ${(error as Error).message}`, { cause: error })
  }
}

/** npm allows no capitals, spaces or other signs. */
const packageName = (root: string): string =>
  basename(root)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '') || 'my-bot'
