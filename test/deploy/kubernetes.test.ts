/** The manifests are what Kubernetes and KEDA expect, fit to each other, and start processes with valid settings. */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { ROOT, read } from '../docs/blocks.ts'
import { expectSettings, SECRETS } from './settings.ts'

interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string }
  // biome-ignore lint/suspicious/noExplicitAny: the models check the form, the tests below read from it.
  spec: any
  data?: Record<string, string>
}

const FOLDER = 'deploy/kubernetes'
const { resources } = parse(read(`${FOLDER}/kustomization.yaml`)) as { resources: string[] }
const manifests = resources.flatMap((file) =>
  parseAllDocuments(read(`${FOLDER}/${file}`)).map(
    (document) => [file, document.toJS() as Manifest] as const,
  ),
)
const find = (kind: string, name: string): Manifest => {
  const [, found] = manifests.find(([, one]) => one.kind === kind && one.metadata.name === name) ?? []
  return found as Manifest
}
const require = createRequire(import.meta.url)

/** An object that notes which of its fields are read, and the paths of the fields that are not. */
function trackReads<T extends object>(value: T, path = ''): { tracked: T; unread(): string[] } {
  const children = new Map<string | symbol, ReturnType<typeof trackReads<object>>>()
  const read = new Set<string | symbol>()
  const tracked = new Proxy(value, {
    get(target, key) {
      read.add(key)
      const field = Reflect.get(target, key)
      if (typeof field !== 'object' || field === null) return field
      if (!children.has(key)) children.set(key, trackReads(field, `${path}.${String(key)}`))
      return children.get(key)?.tracked
    },
  })
  return {
    tracked,
    unread: () => [
      ...Object.keys(value)
        .filter((key) => !read.has(key))
        .map((key) => `${path}.${key}`),
      ...[...children.values()].flatMap((child) => child.unread()),
    ],
  }
}

/** @returns what is wrong. The schemas allow further fields, so one that they never look at is one that does not exist. */
function faultsOf({ apiVersion, kind, ...rest }: Manifest): string[] {
  const from = apiVersion.startsWith('keda.sh') ? '@kubernetes-models/keda' : 'kubernetes-models'
  const Model = require(`${from}/${apiVersion}/${kind}`)[kind]
  const { tracked, unread } = trackReads({ apiVersion, kind, ...rest })
  try {
    Model.prototype.validate.call(tracked)
  } catch (error) {
    return [(error as Error).message]
  }
  return unread()
}

describe('the manifests for Kubernetes', () => {
  it('every file is named in kustomization.yaml', () => {
    const files = readdirSync(join(ROOT, FOLDER)).filter((file) => file !== 'kustomization.yaml')
    expect([...resources].sort()).toEqual(files.sort())
  })

  it.each(manifests.map(([file, one]) => [file, one.kind, one.metadata.name, one] as const))(
    '%s: %s %s has the fields of its kind, and no other',
    (_file, _kind, _name, manifest) => {
      expect(faultsOf(manifest)).toEqual([])
    },
  )

  it('a field of the wrong type and a field that does not exist are found', () => {
    const server = structuredClone(find('Deployment', 'server'))
    server.spec.template.spec.containers[0].readinesProbe = {}
    expect(faultsOf(server)).toEqual(['.spec.template.spec.containers.0.readinesProbe'])
    server.spec.replicas = 'two'
    expect(faultsOf(server).join()).toContain('replicas must be integer')
  })

  it.each(['server', 'workers', 'bots'])('%s start with valid settings, and have time to stop', (name) => {
    const pod = find('Deployment', name).spec.template.spec
    const [container] = pod.containers
    const own = Object.fromEntries(
      (container.env ?? []).map((one: { name: string; value?: string }) => [
        one.name,
        one.value ?? '10.1.2.3',
      ]),
    )
    const settings = { ...find('ConfigMap', 'halfway').data, ...SECRETS, ...own }
    const { drainSeconds, redis } = expectSettings(settings)
    expect(redis).toMatchObject({ host: find('Service', 'redis').metadata.name, port: 6379 })
    const preStopSeconds = Number(container.lifecycle?.preStop.exec.command[1] ?? 0)
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds + 10 + preStopSeconds)
    expect(container.args[0]).toBe(name)
    // A service with the name redis would set REDIS_PORT to an address.
    expect(pod.enableServiceLinks).toBe(false)
    expect(container.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
    })
    expect(container.livenessProbe).toBeDefined()
  })

  it.each(['server', 'workers', 'bots'])('a disruption takes away at most one of the %s', (name) => {
    const { selector, maxUnavailable } = find('PodDisruptionBudget', name).spec
    const { spec } = find('Deployment', name)
    expect(maxUnavailable).toBe(1)
    expect(selector.matchLabels).toEqual(spec.template.metadata.labels)
    expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels)
    expect(spec.replicas).toBeGreaterThan(1)
  })

  it('the ingress leads to the server, and the number of workers follows the age of the queues', () => {
    const { service } = find('Ingress', 'halfway').spec.rules[0].http.paths[0].backend
    expect(find('Service', service.name).spec.ports[0].name).toBe(service.port.name)
    const { scaleTargetRef, triggers } = find('ScaledObject', 'workers').spec
    expect(find('Deployment', scaleTargetRef.name)).toBeDefined()
    expect(triggers[0].metadata.query).toBe('max(halfway_queue_oldest_seconds)')
  })
})
