/** Alert rules, dashboard and docs/METRICS.md name the metrics that exist, and Prometheus accepts the rules. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createMetrics, type MeasuredProcess } from '../../core/runtime/metrics.ts'
import { ROOT, read } from '../docs/blocks.ts'
import { isPromtoolMissing, promtool } from '../helpers/promtool.ts'

const PROCESSES: readonly MeasuredProcess[] = ['server', 'workers', 'bots']
const RULES = 'deploy/prometheus/alerts.yml'
const DASHBOARD = 'deploy/grafana/halfway.json'

interface Row {
  name: string
  type: string
  labels: string[]
  processes: string[]
  help: string
}

/** Every metric of the registries. */
const metrics = new Map<string, Row>()
for (const process of PROCESSES)
  for (const metric of createMetrics(process).registry.getMetricsAsArray()) {
    const { name, help, type, labelNames } = metric as unknown as Row & { labelNames: string[] }
    const row = metrics.get(name) ?? { name, type, labels: labelNames, processes: [], help }
    row.processes.push(process)
    metrics.set(name, row)
  }

/** The names of metrics in PromQL. Those of labels are in braces, or in parentheses after `by` and `on`. */
function namedIn(expression: string): string[] {
  const bare = expression.replace(/\{[^}]*\}/g, '').replace(/\b(?:by|on) \([^)]*\)/g, '')
  return [...bare.matchAll(/\b(?:halfway|nodejs|process)_\w+|\bup\b/g)].map(([name]) => name)
}
const exists = (name: string): boolean => {
  const base = name.replace(/_(?:bucket|sum|count)$/, '')
  return name === 'up' || metrics.has(name) || metrics.get(base)?.type === 'histogram'
}

const dashboard = JSON.parse(read(DASHBOARD))
const rules = read(RULES)
const alerts = rules.split(/^ {6}- alert: /m).slice(1)

it.each([
  [
    'the alert rules',
    alerts.map((alert) => alert.slice(0, alert.indexOf('annotations:')).replace(/^\w+/, '')),
  ],
  [
    'the dashboard',
    dashboard.panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) =>
      targets.map(({ expr }) => expr),
    ),
  ],
  ['the variables of the dashboard', dashboard.templating.list.map(({ definition = 'up' }) => definition)],
])('%s name only metrics that exist', (_what, expressions: string[]) => {
  for (const expression of expressions) {
    expect(namedIn(expression).length, expression).toBeGreaterThan(0)
    for (const name of namedIn(expression)) expect(exists(name), name).toBe(true)
  }
})

it('the dashboard shows every metric of Halfway', () => {
  const text = JSON.stringify(dashboard)
  expect([...metrics.keys()].filter((name) => name.startsWith('halfway_') && !text.includes(name))).toEqual(
    [],
  )
})

it('docs/METRICS.md lists every metric of Halfway with type, labels and processes, and no other', () => {
  const [, table = ''] = /<!-- table: metrics -->\n((?:\|.*\n)+)/.exec(read('docs/METRICS.md')) ?? []
  const listed = table.trim().split('\n').slice(2)
  const expected = [...metrics.values()]
    .filter(({ name }) => name.startsWith('halfway_'))
    .map(({ name, type, labels, processes, help }) => {
      const shown = labels.map((label) => `\`${label}\``).join(', ') || '–'
      const where = processes.length === PROCESSES.length ? 'all' : processes.join(', ')
      return `| \`${name}\` | ${type} | ${shown} | ${where} | ${help} |`
    })
  expect(listed).toEqual(expected)
})

const alertNames = alerts.map((alert) => String(/^\w+/.exec(alert)))

/** The scripts and commands of `npm run …` and of the table of commands. @returns how many there are */
function expectCommandsExist(text: string): number {
  const { scripts } = JSON.parse(read('package.json'))
  const program = ['program', 'operate-commands', 'maintenance-commands']
    .map((name) => read(`cli/${name}.ts`))
    .join()
  const typed = [...text.matchAll(/npm run ([\w:]+)(?: -- ([a-z]+)(?: ([a-z]+)\b)?)?/g)]
  for (const [whole, script = '', command, subcommand] of typed) {
    expect(scripts, whole).toHaveProperty(script)
    for (const name of [command, subcommand]) if (name) expect(program, whole).toContain(`.command('${name}`)
  }
  return typed.length
}

it('docs/METRICS.md lists every alert, and each says what to type with commands that exist', () => {
  const documented = [...read('docs/METRICS.md').matchAll(/^\| `(Halfway\w+)` \|/gm)].map(([, name]) => name)
  expect(documented).toEqual(alertNames)
  for (const alert of alerts) {
    const [, summary, description = ''] = /summary: (.+)\n +description: >-\n([\s\S]+)/.exec(alert) ?? []
    expect(summary, alert).toBeTruthy()
    expect(expectCommandsExist(description), description).toBeGreaterThan(0)
  }
})

it('each alert names its part of docs/RUNBOOK.md, which says what it means, what to type, whom to wake and when it is over', () => {
  const runbook = read('docs/RUNBOOK.md')
  expectCommandsExist(runbook)
  const parts = new Map(
    runbook.split(/^## /m).map((part): [string, string] => [part.slice(0, part.indexOf('\n')), part]),
  )
  expect([...parts.keys()].filter((name) => name.startsWith('Halfway'))).toEqual(alertNames)
  for (const [i, name] of alertNames.entries()) {
    expect(alerts[i]).toContain(`runbook_url: docs/RUNBOOK.md#${name.toLowerCase()}\n`)
    for (const what of ['**For people:**', '```sh\n', '\n1. ', '**Wake:**', '**Over:**'])
      expect(parts.get(name), name).toContain(what)
  }
})

it.skipIf(isPromtoolMissing)('Prometheus accepts the alert rules (needs promtool)', () => {
  expect(promtool(['check', 'rules', join(ROOT, RULES)])).toBe('')
})

it.skipIf(isPromtoolMissing)('each alert fires when it should, and only then (needs promtool)', () => {
  expect(promtool(['test', 'rules', join(ROOT, 'test/deploy/alerts.test.yml')])).toBe('')
})
