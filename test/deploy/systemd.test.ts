/** The units are accepted by systemd, confine their processes, and start them with valid settings. */
import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ROOT, read } from '../docs/blocks.ts'
import { findExecutable } from '../helpers/executables.ts'
import { useFolder } from '../helpers/redis.ts'
import { expectSettings, SECRETS } from './settings.ts'

const run = promisify(execFile)
const UNITS = readdirSync(join(ROOT, 'deploy/systemd')).filter((name) => name.endsWith('.service'))
const INSTANCES: Record<string, string> = { server: '3000', workers: '1', bridge: '1', bots: '9991' }
/** Of 10, as `systemd-analyze security` counts: 10 is a process without any limit, below 2 is its best mark. */
const MAX_EXPOSURE = 2
const isMissing = !findExecutable('systemd-analyze')
const folder = useFolder()

/** With the Node of this machine. */
function copyOf(unit: string): string {
  const file = join(folder, unit)
  writeFileSync(file, read(`deploy/systemd/${unit}`).replace('/usr/bin/node', process.execPath))
  return file
}
const directiveOf = (unit: string, name: string): string =>
  new RegExp(`^${name}=(.*)$`, 'm').exec(read(`deploy/systemd/${unit}`))?.[1] ?? ''

describe.each(UNITS)('%s', (unit) => {
  const role = /^halfway-(\w+)@\.service$/.exec(unit)?.[1] as string
  const instance = INSTANCES[role] as string

  it.skipIf(isMissing)(`${unit} is accepted by systemd (needs systemd-analyze)`, async () => {
    const { stderr } = await run('systemd-analyze', ['verify', copyOf(unit).replace('@.', `@${instance}.`)])
    expect(stderr).toBe('')
  })

  it.skipIf(isMissing)(`${unit} confines its process (needs systemd-analyze)`, async () => {
    const options = ['--offline=true', `--threshold=${MAX_EXPOSURE * 10}`, '--no-pager']
    const { stdout } = await run('systemd-analyze', ['security', ...options, copyOf(unit)])
    expect(stdout).toContain('Overall exposure level')
  })

  it(`${unit} starts ${role} with valid settings, and gives it time to stop`, () => {
    const settings = directiveOf(unit, 'Environment').replaceAll('%i', instance).split(' ')
    const env = Object.fromEntries(settings.map((text) => text.split('=') as [string, string]))
    const { drainSeconds, server, bots } = expectSettings({ REDIS_HOST: '127.0.0.1', ...SECRETS, ...env })
    expect(directiveOf(unit, 'ExecStart')).toContain(` dist/cli/bin.js ${role}`)
    expect(Number(directiveOf(unit, 'TimeoutStopSec'))).toBeGreaterThan(drainSeconds + 10)
    if (role === 'server') expect(server).toMatchObject({ port: 3000, host: '127.0.0.1', trustProxy: 1 })
    if (role === 'bots') expect(bots.address).toBe(`http://127.0.0.1:${bots.port}`)
  })
})
