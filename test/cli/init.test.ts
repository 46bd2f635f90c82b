/** `halfway init`. Its project is installed and started in test/package/. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { init } from '../../cli/commands/init.ts'
import { useFolder } from '../helpers/redis.ts'

const context = () => {
  const lines: string[] = []
  return { lines, print: (...printed: string[]) => void lines.push(...printed) }
}

it('init writes a project that depends on this version, and says what to do next', async () => {
  const folder = join(useFolder(), 'My Bot')
  const { lines, print } = context()
  expect(await init({ print }, folder)).toBe(0)
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).toMatchObject({
    name: 'my-bot',
    dependencies: { halfway: `^${version}` },
  })
  expect(existsSync(join(folder, 'services/hello/index.js'))).toBe(true)
  expect(lines).toContain('  npm start')
})

it('init writes nothing into a folder that has files', async () => {
  const folder = useFolder()
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  await expect(init(context(), folder)).rejects.toThrow('is not empty')
  await expect(init(context(), join(folder, 'notes.txt'))).rejects.toThrow('cannot be used')
  expect(existsSync(join(folder, 'package.json'))).toBe(false)
})
