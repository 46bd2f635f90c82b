/** The release before this one: checked out of the history into a temporary folder and built there. */
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { useFolder } from '../helpers/redis.ts'

/** There is no published release yet: the last state before the work on the next one. */
const PREVIOUS = 'a7e7bb940b23175b45a0e11a2c50b4ebddb1048e'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BOT = 'test/faults/fixtures/upgrade-bot.ts'
const run = promisify(execFile)

/** A shallow clone, or an archive of the sources, does not have it. */
export const hasPrevious =
  spawnSync('git', ['cat-file', '-e', `${PREVIOUS}^{commit}`], { cwd: ROOT }).status === 0

/** Resolves with the preload (`--require`) that runs the processes of the release before, and the bot of these tests. */
export async function buildPrevious(): Promise<string> {
  const folder = useFolder()
  const archive = join(folder, 'sources.tar')
  await run('git', ['archive', '--output', archive, PREVIOUS], { cwd: ROOT })
  await run('tar', ['--extract', '--file', archive], { cwd: folder })
  if (needsPackagesOfItsOwn(folder)) await run('npm', ['ci', '--ignore-scripts'], { cwd: folder })
  else symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  cpSync(join(ROOT, BOT), join(folder, BOT))
  mkdirSync(join(folder, 'bundles'))
  const bundle = `
    const { bundleProcesses } = await import('./test/helpers/bundles.ts')
    await bundleProcesses('bundles', { more: ['./${BOT}'] })`
  await Promise.all([
    run(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', bundle], { cwd: folder }),
    run(process.execPath, ['public/build.mjs'], { cwd: folder }),
  ])
  return join(folder, 'bundles/run-bundled.cjs')
}

/** Whether a package that its processes load has another version here. */
function needsPackagesOfItsOwn(folder: string): boolean {
  const lockOf = (root: string): Record<string, { version: string; dev?: boolean }> =>
    JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const present = lockOf(ROOT)
  return Object.entries(lockOf(folder)).some(
    ([path, { version, dev }]) => path !== '' && !dev && present[path]?.version !== version,
  )
}
