/**
 * The commands of docs/DEPLOY.md, run from top to bottom on an empty machine that is a folder. Programs that change a machine only
 * note how they were called, and what they were given is compared with the files of the repository.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { blocksOf, ROOT, read } from '../docs/blocks.ts'
import { findExecutable } from '../helpers/executables.ts'
import { useFolder } from '../helpers/redis.ts'
import { expectSettings } from './settings.ts'

const NOTED = ['apt-get', 'docker', 'kubectl', 'nginx', 'node', 'npm', 'sleep', 'systemctl']
const missing = ['bash', 'openssl'].find((program) => !findExecutable(program))
const machine = useFolder()
const calls = missing ? [] : runDocument()

/** @returns the calls of the noted programs, in order */
function runDocument(): string[] {
  const [bin, log] = [join(machine, 'bin'), join(machine, 'calls')]
  for (const folder of [
    bin,
    ...['redis', 'nginx/conf.d', 'systemd/system'].map((path) => join(machine, 'etc', path)),
  ])
    mkdirSync(folder, { recursive: true })
  for (const name of NOTED) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >> '${log}'\n`)
    chmodSync(join(bin, name), 0o755)
  }
  cpSync(join(ROOT, 'deploy'), join(machine, 'deploy'), { recursive: true })
  const script = blocksOf('docs/DEPLOY.md')
    .map(({ text }) => text.replaceAll('/etc/', `${machine}/etc/`))
    .join('\n')
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: machine }
  execFileSync('bash', ['-euo', 'pipefail', '-c', script], { cwd: machine, env, stdio: 'pipe' })
  return readFileSync(log, 'utf8').trim().split('\n')
}

const callsOf = (program: string): string[][] =>
  calls
    .filter((call) => call.startsWith(`${program} `))
    .map((call) => call.split(' ').slice(program.split(' ').length))
const contentOf = (path: string): string => readFileSync(join(machine, path), 'utf8')

describe.skipIf(missing)('the commands of docs/DEPLOY.md', () => {
  it('every block is one of commands (needs openssl)', () => {
    for (const { language, line } of blocksOf('docs/DEPLOY.md')) expect(language, `line ${line}`).toBe('sh')
  })

  it('docker compose is given services, profiles and commands that exist (needs openssl)', () => {
    const { services } = parse(read('compose.yaml'), { merge: true }) as {
      services: Record<string, { profiles?: string[] }>
    }
    const known = [
      ...Object.keys(services),
      ...Object.values(services).flatMap(({ profiles = [] }) => profiles),
    ]
    const words = callsOf('docker compose').flatMap((args) => args.filter((arg) => !arg.startsWith('-')))
    const others = ['build', 'up', 'run', 'doctor']
    expect(words.filter((word) => ![...known, ...others].includes(word))).toEqual([])
    for (const part of ['server-1', 'server-2', 'workers-1', 'workers-2', 'bots-1', 'bots-2'])
      expect(calls).toContain(`docker compose up -d --no-deps --wait ${part}`)
  })

  it('the secrets for Compose are valid in production, and for their owner only (needs openssl)', () => {
    const { GRAFANA_PASSWORD, ...env } = parseEnv(contentOf('.env')) as Record<string, string>
    expectSettings({ REDIS_HOST: 'redis', ...env })
    const used = new Set([...read('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name))
    expect(Object.keys({ GRAFANA_PASSWORD, ...env }).sort()).toEqual([...used].sort())
    expect(contentOf('halfway.pem')).toMatch(/BEGIN CERTIFICATE[\s\S]*BEGIN PRIVATE KEY/)
  })

  it('systemd is given units that are installed, and their settings are valid (needs openssl)', () => {
    const instances = ['enable', 'restart'].flatMap((verb) =>
      callsOf(`systemctl ${verb}`).flatMap((args) => args.filter((arg) => arg.includes('@'))),
    )
    expect(instances.length).toBe(12)
    for (const name of instances) {
      const unit = name.replace(/@.*/, '@.service')
      expect(existsSync(join(machine, 'etc/systemd/system', unit)), unit).toBe(true)
    }
    const { REDIS_PASSWORD, ...env } = parseEnv(contentOf('etc/halfway.env')) as Record<string, string>
    expectSettings({ REDIS_PASSWORD: String(REDIS_PASSWORD), ...env })
    expect(contentOf('etc/redis/redis.conf')).toContain(`requirepass ${REDIS_PASSWORD}\n`)
    for (const file of ['crt', 'key']) {
      expect(contentOf('etc/nginx/conf.d/halfway.conf')).toContain(` /etc/nginx/halfway.${file};`)
      expect(existsSync(join(machine, `etc/nginx/halfway.${file}`))).toBe(true)
    }
    const ports = [...contentOf('etc/nginx/conf.d/halfway.conf').matchAll(/127\.0\.0\.1:(\d+)/g)].map(
      ([, port]) => port,
    )
    expect(instances).toEqual(expect.arrayContaining(ports.map((port) => `halfway-server@${port}`)))
  })

  it('kubectl is given names that the manifests have, and the image of kustomization.yaml (needs openssl)', () => {
    const manifests = ['bots', 'server', 'workers', 'redis', 'ingress']
      .map((name) => read(`deploy/kubernetes/${name}.yaml`))
      .join('\n')
    const { images } = parse(read('deploy/kubernetes/kustomization.yaml'))
    expect(calls).toContain(`docker push ${images[0].newName}:${images[0].newTag}`)
    const created = callsOf('kubectl -n halfway create secret')
    for (const [, name, ...options] of created) {
      expect(manifests).toMatch(new RegExp(`(?:name|secretName): ${name}\\b`))
      for (const file of options.flatMap((option) => option.match(/--(?:cert|key)=(.*)/)?.[1] ?? []))
        expect(existsSync(join(machine, file)), file).toBe(true)
    }
    expect(created.map(([, name]) => name)).toEqual(['halfway', 'halfway-tls'])
    for (const [folder] of callsOf('kubectl apply -k'))
      expect(existsSync(join(ROOT, String(folder), 'kustomization.yaml'))).toBe(true)
    for (const [, name] of calls.join('\n').matchAll(/deployment\/(\w+)/g))
      expect(manifests).toContain(`kind: Deployment\nmetadata:\n  name: ${name}\n`)
  })

  it('the installation is checked at the end of each way (needs openssl)', () => {
    expect(calls.filter((call) => call.endsWith(' doctor')).map((call) => call.split(' ')[0])).toEqual([
      'docker',
      'node',
      'kubectl',
    ])
  })
})
