/** The services of a folder: each subfolder with an `index.js`, `index.mjs` or `index.ts` is one. */
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { StartupError } from '../../core/runtime/startup-error.ts'
import type { BotService } from '../bot-server/define-service.ts'

const ENTRIES = ['index.js', 'index.mjs', 'index.ts']

/** @throws StartupError naming the folder or file, and what is wrong */
export async function loadServices(folder: string): Promise<BotService[]> {
  const entries = await findEntries(resolve(folder))
  if (entries.length === 0)
    throw new StartupError(
      `There are no services in ${folder}: each is a subfolder with an ${ENTRIES.join(', ')} that exports a service as its default.`,
    )
  const services = await Promise.all(entries.map(loadService))
  const seen = new Map<string, string>()
  for (const [i, { definition }] of services.entries()) {
    const { slug } = definition
    const other = seen.get(slug)
    if (other) throw new StartupError(`${other} and ${entries[i]} have the same slug "${slug}".`)
    seen.set(slug, entries[i] as string)
  }
  return services
}

async function findEntries(folder: string): Promise<string[]> {
  const children = await readdir(folder, { withFileTypes: true }).catch((cause: unknown): never => {
    throw new StartupError(`The folder ${folder} cannot be read.`, { cause })
  })
  const names = children
    .filter((child) => !child.isFile() && isServiceName(child.name))
    .map(({ name }) => name)
  const found = await Promise.all(names.sort().map((name) => findEntry(join(folder, name))))
  return found.filter((entry) => entry !== null)
}

const isServiceName = (name: string): boolean => !name.startsWith('.') && name !== 'node_modules'

async function findEntry(folder: string): Promise<string | null> {
  const files = await readdir(folder).catch((): string[] => [])
  const entry = ENTRIES.find((name) => files.includes(name))
  return entry === undefined ? null : join(folder, entry)
}

async function loadService(file: string): Promise<BotService> {
  const exported: unknown = await importDefault(file)
  const service: unknown = typeof exported === 'function' ? await exported() : exported
  if (isBotService(service)) return service
  throw new StartupError(
    `${file}: the default export is no service. Write: export default defineService(definition, handle)`,
  )
}

async function importDefault(file: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(file).href)) as { default?: unknown }).default
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why =
      code === 'ERR_UNKNOWN_FILE_EXTENSION'
        ? 'TypeScript needs Node 22.18 or later, or: node --import tsx node_modules/halfway/dist/cli/bin.js'
        : message
    throw new StartupError(`${file} cannot be loaded: ${why}`, { cause })
  }
}

function isBotService(value: unknown): value is BotService {
  const { definition, service, handle } = (value ?? {}) as Partial<BotService>
  return typeof definition === 'object' && typeof service === 'object' && typeof handle === 'function'
}
