/** The services of a folder (`halfway bots <folder>`). */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadServices } from '../../bots/service-folder/load-services.ts'
import { useFolder } from '../helpers/redis.ts'

const LIBRARY = fileURLToPath(new URL('../../bots/index.ts', import.meta.url))
const define = (slug: string): string =>
  `(await import(${JSON.stringify(LIBRARY)})).defineService({ slug: '${slug}', title: 'Test' }, async () => null)`

function aFolder(files: Record<string, string>): string {
  const folder = useFolder()
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

describe('the services of a folder', () => {
  it('each subfolder with an index file is a service, or a function that returns one', async () => {
    const folder = aFolder({
      'one/index.mjs': `export default ${define('one')}`,
      'two/index.mjs': `export default async () => ${define('two')}`,
      'shared/client.mjs': 'export const client = 1',
      'node_modules/three/index.mjs': 'throw new Error("loaded")',
      'README.md': 'Services',
    })
    const services = await loadServices(folder)
    expect(services.map(({ definition }) => definition.slug)).toEqual(['one', 'two'])
  })

  it('an empty or missing folder is named', async () => {
    const folder = aFolder({ 'shared/client.mjs': '' })
    await expect(loadServices(folder)).rejects.toThrow(`There are no services in ${folder}`)
    await expect(loadServices(join(folder, 'none'))).rejects.toThrow('none cannot be read')
  })

  it('a file that cannot be loaded, or exports no service, is named', async () => {
    const broken = aFolder({ 'one/index.mjs': 'throw new Error("no portal")' })
    await expect(loadServices(broken)).rejects.toThrow(/one\/index\.mjs cannot be loaded: no portal/)
    const other = aFolder({ 'one/index.mjs': 'export const service = 1' })
    await expect(loadServices(other)).rejects.toThrow(/one\/index\.mjs: the default export is no service/)
  })

  it('two services with the same slug are named', async () => {
    const folder = aFolder({
      'one/index.mjs': `export default ${define('same')}`,
      'two/index.mjs': `export default ${define('same')}`,
    })
    await expect(loadServices(folder)).rejects.toThrow('have the same slug "same"')
  })
})
