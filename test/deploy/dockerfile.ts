/**
 * Does what a Dockerfile says, without Docker: each stage is a folder with what `COPY` puts there, and `RUN` runs in it. It knows
 * only what the one of Halfway uses: one instruction a line, relative targets. The base image is this machine, with its Node and npm.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT, read } from '../docs/blocks.ts'

export interface Image {
  /** The folder that stands for `WORKDIR`. */
  workdir: string
  env: Record<string, string>
  user: string
  healthcheck: string[]
  entrypoint: string[]
  cmd: string[]
}

const run = promisify(execFile)

/** Whether `.dockerignore` lets the file into the build: the last pattern that matches decides. */
function createContextFilter(): (path: string) => boolean {
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, not = '', pattern = ''] = /^(!?)(.*)$/.exec(line) ?? []
      const source = pattern
        .replaceAll('.', '\\.')
        .replace(/\*\*\/|\*/g, (glob) => (glob === '*' ? '[^/]*' : '(?:.*/)?'))
      return { isExcluding: not === '', pattern: new RegExp(`^${source}(?:/|$)`) }
    })
  return (path) => !rules.findLast(({ pattern }) => pattern.test(path))?.isExcluding
}

/** The files of the build's context, relative to the root of the project. */
async function listContext(): Promise<string[]> {
  const isInContext = createContextFilter()
  const listFolder = async (folder: string): Promise<string[]> => {
    const entries = await readdir(join(ROOT, folder), { withFileTypes: true })
    const found = entries.map(async (entry) => {
      const path = join(folder, entry.name)
      if (path === '.git' || path === 'node_modules')
        return isInContext(path) ? Promise.reject(new Error(path)) : []
      return entry.isDirectory() ? listFolder(path) : isInContext(path) ? [path] : []
    })
    return (await Promise.all(found)).flat()
  }
  return listFolder('')
}

/**
 * @param folder an empty one, which gets a folder for each stage
 * @returns the last stage
 */
export async function buildImage(dockerfile: string, folder: string): Promise<Image> {
  const context = await listContext()
  let image = {} as Image

  async function copyFromContext(source: string, target: string): Promise<void> {
    const files = context.filter((path) => source === '.' || path === source || path.startsWith(`${source}/`))
    if (files.length === 0) throw new Error(`COPY: the context has no ${source}`)
    for (const path of files) {
      const below = source === '.' ? path : path.slice(source.length + 1)
      await cp(
        join(ROOT, path),
        join(image.workdir, target.endsWith('/') && !below ? join(target, path) : target, below),
      )
    }
  }
  const instructions: Record<string, (args: string, words: string[]) => unknown> = {
    FROM(_, [, , name = 'last']) {
      image = { workdir: join(folder, name), env: {}, user: 'root', healthcheck: [], entrypoint: [], cmd: [] }
    },
    WORKDIR: (path) => {
      image.workdir = join(image.workdir, path)
      return mkdir(image.workdir, { recursive: true })
    },
    async COPY(_, words) {
      const from = /^--from=(\w+)$/.exec(words[0] as string)?.[1]
      const target = words.at(-1) as string
      const sources = words.slice(from ? 1 : 0, -1)
      for (const source of sources)
        if (from) {
          await cp(join(folder, from, source), join(image.workdir, target), {
            recursive: true,
            verbatimSymlinks: true,
          })
        } else await copyFromContext(source, target)
    },
    RUN: (command) =>
      run('sh', ['-c', command], {
        cwd: image.workdir,
        env: { ...process.env, ...image.env },
        maxBuffer: 1e8,
      }),
    ENV(_, words) {
      for (const word of words)
        Object.assign(image.env, Object.fromEntries([word.split('=') as [string, string]]))
    },
    USER: (name) => {
      image.user = name
    },
    EXPOSE: () => {},
    HEALTHCHECK: (args) => {
      image.healthcheck = JSON.parse(args.slice(args.indexOf('[')))
    },
    ENTRYPOINT: (args) => {
      image.entrypoint = JSON.parse(args)
    },
    CMD: (args) => {
      image.cmd = JSON.parse(args)
    },
  }
  for (const line of dockerfile.split('\n').filter((one) => /^[^#]/.test(one))) {
    const [keyword = '', args = ''] = /^(\w+) (.*)$/.exec(line)?.slice(1) ?? []
    const instruction = instructions[keyword]
    if (!instruction) throw new Error(`an instruction that this test does not know: ${line}`)
    await instruction(args, args.split(' '))
  }
  return image
}
