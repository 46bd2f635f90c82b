/** compose.yaml is a valid file for Compose, and its processes start with what it says. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DCLinter } from 'dclint'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { isAllowedAddress } from '../../core/runtime/bot-addresses.ts'
import { ROOT, read } from '../docs/blocks.ts'
import { expectSettings, SECRETS } from './settings.ts'

interface Service {
  image: string
  command?: string[]
  environment?: Record<string, string>
  volumes?: string[]
  healthcheck?: { test: string[] }
  stop_grace_period?: string
  profiles?: string[]
  read_only?: boolean
  depends_on?: string[] | Record<string, unknown>
}

/** Of the linter, whose types cannot be resolved. */
interface LintResult {
  messages: { type: string; message: string }[]
}

const { services } = parse(read('compose.yaml'), { merge: true }) as { services: Record<string, Service> }
const processes = Object.entries(services).filter(([, { image }]) => image === 'halfway')
/** What Compose puts in the place of `${NAME}`. */
const substitute = (text: string): string =>
  text.replace(/\$\{(\w+)[^}]*\}/g, (_, name: string) => (SECRETS as Record<string, string>)[name] ?? '')
const settingsOf = ({ environment = {} }: Service) =>
  expectSettings(
    Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, substitute(value)])),
  )
/** Files that are made by other parts: the certificate by the person who deploys, these two with the metrics. */
const MADE_ELSEWHERE = ['./halfway.pem']

describe('compose.yaml', () => {
  it('compose.yaml has the form that Compose expects', () => {
    // The proxy is for everyone.
    const rules = { 'no-unbound-port-interfaces': 0 } as const
    const linter = new DCLinter({ rules, quiet: true, debug: false, exclude: [] })
    const results = linter.lintFiles([join(ROOT, 'compose.yaml')], false) as LintResult[]
    const errors = results.flatMap(({ messages }) => messages.filter(({ type }) => type === 'error'))
    expect(results).toHaveLength(1)
    expect(errors).toEqual([])
  })

  it('there are two of each process, each read-only, with a health check of its own', () => {
    const roles = processes.map(([name]) => name.replace(/-\d$/, ''))
    expect(roles).toEqual(['server', 'server', 'workers', 'workers', 'bots', 'bots'])
    for (const [name, service] of processes) {
      const role = name.replace(/-\d$/, '')
      expect(service.read_only, name).toBe(true)
      expect(service.command?.[0] ?? 'server', name).toBe(role)
      // That of the server is in the image.
      expect(service.healthcheck?.test.at(-1) ?? 'server', name).toBe(role)
    }
  })

  it('the settings of each process are valid for production, and it has time to stop', () => {
    for (const [name, service] of processes) {
      const { drainSeconds, redis } = settingsOf(service)
      expect(redis, name).toMatchObject({ kind: 'single', host: 'redis', password: SECRETS.REDIS_PASSWORD })
      expect(Number.parseInt(service.stop_grace_period ?? '', 10), name).toBeGreaterThan(drainSeconds + 10)
    }
  })

  it('workers may call each bot at the address that it announces', () => {
    const { addresses } = settingsOf(services['workers-1'] as Service).bots
    const announced = processes
      .filter(([name]) => name.startsWith('bots'))
      .map(([, bot]) => settingsOf(bot).bots)
    expect(new Set(announced.map(({ address }) => address)).size).toBe(2)
    for (const { address, host } of announced) {
      expect(isAllowedAddress(address, addresses), address).toBe(true)
      expect(host).toBe('0.0.0.0')
    }
  })

  it('every file that a container gets is there, and every host of its settings is a service', () => {
    for (const { volumes = [] } of Object.values(services))
      for (const [path = ''] of volumes
        .map((volume) => volume.split(':'))
        .filter(([path]) => path?.startsWith('.')))
        if (!MADE_ELSEWHERE.includes(path)) expect(existsSync(join(ROOT, path)), path).toBe(true)
    const hosts = [read('deploy/haproxy/haproxy.cfg'), read('deploy/docker/prometheus.yml')].flatMap((text) =>
      [...text.matchAll(/\b((?:server|workers|bots)-\d):(?:3000|9464)/g)].map(([, host = '']) => host),
    )
    expect(new Set(hosts)).toEqual(new Set(processes.map(([name]) => name)))
  })

  it('Redis has a password and an append-only file, and never drops a record', () => {
    const command = services.redis?.command?.join(' ')
    for (const option of ['--requirepass ', '--appendonly yes', '--maxmemory-policy noeviction'])
      expect(command).toContain(option)
  })

  it('Prometheus and Grafana run with the profile monitoring only', () => {
    const optional = Object.entries(services).filter(([, { profiles }]) => profiles?.includes('monitoring'))
    expect(optional.map(([name]) => name)).toEqual(['prometheus', 'grafana'])
  })
})
