/** `npm run supply-chain` on lock files with one fault each, and with a registry that knows a vulnerability. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from './docs/blocks.ts'
import { useFolder } from './helpers/redis.ts'

interface Entry {
  version?: string
  integrity?: string
  resolved?: string
  license?: string
  dev?: boolean
  inBundle?: boolean
  dependencies?: Record<string, string>
}
const INTEGRITY = `sha512-${'a'.repeat(86)}==`
const GOOD: Entry = { version: '1.2.3', integrity: INTEGRITY, license: 'MIT' }
/** Nothing listens there. */
const NO_REGISTRY = 'http://127.0.0.1:1/'

interface Run {
  code: number
  out: string
  err: string
  folder: string
}

/** @param entries the packages of the lock file by name, on which its project depends */
async function check(
  entries: Record<string, Entry>,
  { registry = NO_REGISTRY, version = 3 } = {},
): Promise<Run> {
  const folder = useFolder()
  const namesOf = (isDev: boolean) => {
    const some = Object.entries(entries).filter(([, { dev = false }]) => dev === isDev)
    return Object.fromEntries(some.map(([name]) => [name, '^1.0.0']))
  }
  const project = {
    name: 'a-project',
    version: '1.0.0',
    dependencies: namesOf(false),
    devDependencies: namesOf(true),
  }
  const installed = Object.entries(entries).map(([name, entry]) => [
    `node_modules/${name}`,
    { ...GOOD, ...entry },
  ])
  const lock = {
    lockfileVersion: version,
    requires: true,
    packages: { '': project, ...Object.fromEntries(installed) },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(project))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
  // Older packages name their licence so, which npm does not copy into the lock file.
  mkdirSync(join(folder, 'node_modules/of-old'), { recursive: true })
  writeFileSync(join(folder, 'node_modules/of-old/package.json'), '{ "licenses": [{ "type": "MIT" }] }')
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      [join(ROOT, '.ci/supply-chain.mjs')],
      {
        cwd: folder,
        env: { ...process.env, npm_config_registry: registry, npm_config_cache: join(folder, '.npm') },
      },
      (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err, folder }),
    ),
  )
}

/** A registry that knows one vulnerability of left-pad. */
async function useRegistry(severity: string): Promise<string> {
  const server = createServer((req, res) => {
    req.resume()
    const advisory = { id: 1, url: 'https://advisory.example/1', title: 'It pads', severity }
    const found = { 'left-pad': [{ ...advisory, vulnerable_versions: '<2.0.0', cwe: [], cvss: {} }] }
    if (req.url === '/-/npm/v1/security/advisories/bulk') res.end(JSON.stringify(found))
    else res.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test('a right lock file passes without a registry, and the packages of production are written to a list', async () => {
  const { code, out, err, folder } = await check({
    'left-pad': {},
    addressed: { resolved: 'https://registry.npmjs.org/addressed/-/addressed-1.2.3.tgz' },
    bundled: { integrity: undefined, inBundle: true },
    chosen: { license: '(GPL-3.0 OR MIT)' },
    'of-old': { license: undefined },
    tool: { license: 'MPL-2.0', dev: true },
  })
  expect(err).toBe('')
  expect(out).toContain('Licence MPL-2.0, of development dependencies: tool 1.2.3.')
  expect(out).toContain('Not asked for known vulnerabilities')
  expect(out).toContain('6 packages are as they should be')
  expect(code).toBe(0)
  const { bomFormat, metadata, components, dependencies } = JSON.parse(
    readFileSync(join(folder, 'sbom.cdx.json'), 'utf8'),
  )
  const shipped = ['addressed', 'bundled', 'chosen', 'left-pad', 'of-old']
  expect(bomFormat).toBe('CycloneDX')
  expect(metadata.component.name).toBe('a-project')
  expect(components.map(({ name }: { name: string }) => name).sort()).toEqual(shipped)
  expect(JSON.stringify(dependencies)).not.toContain('tool')
})

test.each<[what: string, Entry, sentence: string]>([
  ['a missing checksum', { integrity: undefined }, 'left-pad 1.2.3 has no checksum (sha512)'],
  ['a weak checksum', { integrity: `sha1-${'a'.repeat(27)}=` }, 'left-pad 1.2.3 has no checksum (sha512)'],
  [
    'a missing checksum for development',
    { integrity: undefined, dev: true },
    'left-pad 1.2.3 has no checksum (sha512)',
  ],
  [
    'another host',
    { resolved: 'https://packages.example/left-pad-1.2.3.tgz' },
    'left-pad 1.2.3 comes from https://packages.example/left-pad-1.2.3.tgz',
  ],
  [
    'a host that begins like the registry',
    { resolved: 'https://registry.npmjs.org.example/left-pad-1.2.3.tgz' },
    'left-pad 1.2.3 comes from https://registry.npmjs.org.example/',
  ],
  [
    'plain http',
    { resolved: 'http://registry.npmjs.org/left-pad/-/left-pad-1.2.3.tgz' },
    'left-pad 1.2.3 comes from http://',
  ],
  ['a repository', { resolved: 'git+ssh://git@github.com/a/b.git#1' }, 'left-pad 1.2.3 comes from git+ssh:'],
  ['a refused licence', { license: 'AGPL-3.0-only' }, 'left-pad 1.2.3 has the licence AGPL-3.0-only'],
  ['two licences', { license: '(MIT AND GPL-3.0)' }, 'left-pad 1.2.3 has the licence (MIT AND GPL-3.0)'],
  ['no licence', { license: undefined }, 'left-pad 1.2.3 has the licence none'],
])('%s fails with the name of the package', async (_what, entry, sentence) => {
  const { code, err, folder } = await check({ 'left-pad': entry })
  expect(err).toContain(sentence)
  expect(err.trim().split('\n')).toHaveLength(1)
  expect(code).toBe(1)
  expect(existsSync(join(folder, 'sbom.cdx.json'))).toBe(false)
})

test('a lock file of another version fails', async () => {
  const { code, err } = await check({ 'left-pad': {} }, { version: 1 })
  expect(err).toContain('package-lock.json has version 1, not 3')
  expect(code).toBe(1)
})

test('a serious vulnerability that the registry knows fails, a lesser one passes', async () => {
  const { code, err } = await check({ 'left-pad': {} }, { registry: await useRegistry('high') })
  expect(err).toBe('left-pad has a known vulnerability (high): It pads (https://advisory.example/1).\n')
  expect(code).toBe(1)
  const { out, ...moderate } = await check({ 'left-pad': {} }, { registry: await useRegistry('moderate') })
  expect(moderate).toMatchObject({ code: 0, err: '' })
  expect(out).not.toContain('Not asked')
})
