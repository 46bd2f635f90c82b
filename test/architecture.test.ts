/** Checks the rules of ARCHITECTURE.md against the source files. Each rule states its reason. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { findFunctions, readSourceCode, type SourceCode, wordsOfIdentifier } from './helpers/source-code.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PROCESSES = ['server', 'workers', 'bridge', 'bots', 'cli']
const FOLDERS = ['core', ...PROCESSES, 'public', 'bench', 'test']
const LONGEST = 250
const MAX_FUNCTION_LINES = 80
/** What core/ has now, so that growth is noticed: the lines rounded up to the next hundred. */
const MAX_ARROWS = 31
const MAX_CORE_LINES = 16_420
const MAX_BENCH_LINES = 1_000

/** Words with a standard term that says the same (CONTRIBUTING.md), as parts of identifiers. */
const DIALECT_IN_NAMES = new Set(
  (
    'told tell tells telling say says said saying gather gathers gathered echo nonsense anew ear ears bell patience oddity ' +
    'whoever somebody someone anybody nobody everybody ours theirs hear hears heard begun mend mends mended ' +
    'forget forgets forgotten remember remembers remembered'
  ).split(' '),
)
/** The same in comments and test names, without the words that are plain English there. */
const DIALECT_IN_PROSE =
  /\b(?:told|gathers?|gathered|nonsense|anew|ears?|patience|oddity|whoever|somebody|anybody|nobody|ours|theirs|hears?|heard|begun|mends?|mended)\b/gi

const EXPORTED_DECLARATION =
  /^export (?:default )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) ([\w$]+)/gm
/** Exports that several files must have. */
const SHARED_EXPORTS: Readonly<Record<string, string>> = {
  createService: 'the entry point of every example service (bots/examples/services.ts)',
  definition: 'of every example service, and of the services of the tests',
}

interface Source {
  /** From the project's root, with slashes. */
  path: string
  text: string
  /** Without comments. */
  code: string
  /** For rules about words: also without strings, and what was left out. */
  parsed: SourceCode
  /** Paths from the root for own files, names for packages. */
  imports: string[]
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return ['dist', '__pycache__'].includes(entry.name) ? [] : filesBelow(path)
    return [path]
  })
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const code = withoutComments(text)
  const imports = [...code.matchAll(/\b(?:from|import)\s*\(?\s*(['"])([^'"]+)\1/g)].map(
    ([, , target = '']) =>
      target.startsWith('.')
        ? relative(ROOT, join(ROOT, dirname(path), target)).replaceAll('\\', '/')
        : target,
  )
  return { path, text, code, parsed: readSourceCode(text), imports }
}

const files = FOLDERS.flatMap(filesBelow)
const all = [...files.filter((path) => path.endsWith('.ts')), 'start.ts'].map(readSource)
const folderOf = (path: string) => path.split('/')[0] as string
const measuring = all.filter(({ path }) => folderOf(path) === 'bench')
const isTest = (path: string) => /(?:^|\/)test\//.test(path)
/** The shipped code. */
const sources = all.filter(({ path }) => !isTest(path) && folderOf(path) !== 'bench')
/** bots/index.ts is the entry of programs that have no main.ts here. */
const isRoot = ({ path }: Source) =>
  path === 'start.ts' || path === 'bots/index.ts' || basename(path) === 'main.ts'

/** @param breaches as `file: what`; a failure shows them with the reason of the rule */
function expectNone(breaches: string[], reason: string): void {
  expect(breaches, reason).toEqual([])
}
const importing = (from: (source: Source) => boolean, what: (target: string) => boolean, among = sources) =>
  among
    .filter(from)
    .flatMap(({ path, imports }) => imports.filter(what).map((target) => `${path}: ${target}`))
const findMatches = (pattern: RegExp, allowed: (path: string) => boolean) =>
  sources
    .filter(({ path }) => !allowed(path))
    .flatMap(({ path, code }) => [...code.matchAll(pattern)].map(([found]) => `${path}: ${found}`))

/** The layers of core/, the lowest first. Folders of one layer do not import each other. */
const LAYERS = [
  ['i18n', 'runtime'],
  ['domain', 'redis'],
  ['presentation', 'catalog'],
  ['records'],
  ['store'],
  ['pubsub', 'queue'],
  ['actions', 'tasks'],
]
const FOLDER_COUNT = LAYERS.flat().length
const folderOfCore = (path: string): string => path.split('/')[1] ?? ''
const levelOf = (path: string): number => LAYERS.findIndex((layer) => layer.includes(folderOfCore(path)))
const inCore = sources.filter(({ path }) => folderOf(path) === 'core')
/** The imports between folders of core/. */
const coreImports = inCore.flatMap(({ path, imports }) =>
  imports
    .filter((target) => folderOf(target) === 'core' && folderOfCore(target) !== folderOfCore(path))
    .map((target) => ({ path, target, arrow: `${folderOfCore(path)} -> ${folderOfCore(target)}` })),
)
/** Without comments and blank lines. */
const codeLinesOf = ({ code }: Source): number => code.split('\n').filter((line) => line.trim() !== '').length

/** Files that import each other, directly or over others: each group once. */
function importCircles(): string[] {
  const targetsOf = new Map(sources.map(({ path, imports }) => [path, imports]))
  const reachable = new Map<string, Set<string>>()
  for (const { path } of sources) {
    const seen = new Set<string>()
    const open = [path]
    for (let next = open.pop(); next !== undefined; next = open.pop())
      for (const target of targetsOf.get(next) ?? [])
        if (!seen.has(target)) {
          seen.add(target)
          open.push(target)
        }
    reachable.set(path, seen)
  }
  const circles = sources
    .map(({ path }) => [
      path,
      ...[...(reachable.get(path) ?? [])].filter((other) => reachable.get(other)?.has(path)),
    ])
    .filter(([path = '']) => reachable.get(path)?.has(path))
    .map((group) => [...new Set(group)].sort().join(' <-> '))
  return [...new Set(circles)]
}

describe('architecture', () => {
  it(`core has ${FOLDER_COUNT} folders, and each file is in one of them`, () => {
    const folders = new Set(inCore.map(({ path }) => folderOfCore(path)))
    expect(
      [...folders].sort(),
      'every file of core/ is in a folder of the list, in the layer that its imports allow',
    ).toEqual(LAYERS.flat().sort())
  })

  it('no import between folders of core leads upward', () => {
    expectNone(
      coreImports
        .filter(({ path, target }) => levelOf(target) >= levelOf(path))
        .map(({ path, target }) => `${path}: ${target}`),
      'a lower layer can be read, tested and changed without knowing what is built on it',
    )
  })

  it(`at most ${MAX_ARROWS} arrows lead from one folder of core to another`, () => {
    const arrows = new Set(coreImports.map(({ arrow }) => arrow))
    expect(arrows.size, [...arrows].sort().join('\n')).toBeGreaterThan(FOLDER_COUNT)
    expect(arrows.size, [...arrows].sort().join('\n')).toBeLessThanOrEqual(MAX_ARROWS)
  })

  it(`core has at most ${MAX_CORE_LINES} lines of code, without comments and blank lines`, () => {
    const lines = inCore.reduce((sum, source) => sum + codeLinesOf(source), 0)
    expect(
      lines,
      'core/ has grown: remove what is not needed before you raise the limit',
    ).toBeLessThanOrEqual(MAX_CORE_LINES)
  })

  it(`the benchmark has at most ${MAX_BENCH_LINES} lines of code, without comments and blank lines`, () => {
    const lines = measuring.reduce((sum, source) => sum + codeLinesOf(source), 0)
    expect(lines, 'measure less, or the same by fewer lines').toBeLessThanOrEqual(MAX_BENCH_LINES)
  })

  it('no files import each other in a circle', () => {
    expectNone(importCircles(), 'give what both need a file of its own')
  })

  it('core imports none of the others', () => {
    const others = [...PROCESSES, 'public', 'bench', 'test']
    expectNone(
      importing(
        ({ path }) => folderOf(path) === 'core',
        (target) => others.includes(folderOf(target)) && target.includes('/'),
      ),
      'core/ is what a request is; it must be usable by any process, so it may know none of them',
    )
  })

  it('server, workers, bridge, bots and cli never import each other', () => {
    expectNone(
      PROCESSES.flatMap((mine) =>
        importing(
          ({ path }) => folderOf(path) === mine,
          (target) =>
            target.includes('/') && PROCESSES.includes(folderOf(target)) && folderOf(target) !== mine,
        ),
      ),
      'processes meet in Redis, through core/: what one imports of another would have to be deployed with it',
    )
  })

  it('nothing imports a main.ts, nor start.ts, nor a test', () => {
    expectNone(
      importing(
        () => true,
        (target) => basename(target) === 'main.ts' || target === 'start.ts' || isTest(target),
      ),
      'a main.ts starts a process when it is imported, and tests are not shipped',
    )
  })

  it('nothing outside of bots/examples/ imports an example', () => {
    expectNone(
      importing(
        ({ path }) => !path.startsWith('bots/examples/'),
        (target) => target.startsWith('bots/examples/'),
        all,
      ),
      'an installation may remove the examples, and everything else works without them',
    )
  })

  it('nothing imports a measurement', () => {
    expectNone(
      importing(
        ({ path }) => folderOf(path) !== 'bench' && !path.startsWith('test/bench/'),
        (target) => target.startsWith('bench/'),
        all,
      ),
      'what a process costs is measured from outside, on what is shipped',
    )
  })

  it('measurements import only core and the updater of bots', () => {
    expectNone(
      importing(
        () => true,
        (target) =>
          FOLDERS.includes(folderOf(target)) &&
          target.includes('/') &&
          !['core', 'bench'].includes(folderOf(target)) &&
          target !== 'bots/updater.ts',
        measuring,
      ),
      'a process that is measured is started as its users start it: nothing of its inside can be called faster',
    )
    expectNone(
      importing(
        () => true,
        (target) => basename(target) === 'main.ts' || target === 'start.ts',
        measuring,
      ),
      'a main.ts starts a process when it is imported',
    )
  })

  it('only a main.ts, start.ts and bots/index.ts read the environment', () => {
    expectNone(
      findMatches(/\bprocess\s*\.\s*env\b|\bfrom ['"]node:process['"]/g, (path) =>
        isRoot({ path } as Source),
      ),
      'settings are read once and checked at once (core/runtime/config.ts); everything else is given what it needs',
    )
  })

  it('only core/runtime/process.ts and start.ts listen for signals or end the process', () => {
    expectNone(
      findMatches(/\bprocess\s*\.\s*(?:on|once|addListener|exit|abort)\s*\(|\bprocess\.exitCode\b/g, (path) =>
        ['core/runtime/process.ts', 'start.ts', 'public/build.mjs'].includes(path),
      ),
      'a process stops in one way, in reverse order (core/runtime/process.ts): who exits elsewhere leaves the others hanging',
    )
  })

  it('only core/redis builds keys', () => {
    expectNone(
      findMatches(/['"`]local_request[^'"`]*/g, (path) => path.startsWith('core/redis/')),
      'a key or channel that is written in two places drifts apart',
    )
  })

  it('only the store writes records, and only the store, pubsub and the bridge publish', () => {
    const reason = 'every write is checked, versioned and published in one step'
    expectNone(
      findMatches(/\.\s*(?:eval|evalsha|evalsha_ro|fcall|defineCommand)\s*\(/g, (path) =>
        path.startsWith('core/redis/'),
      ),
      reason,
    )
    expectNone(
      findMatches(/\bcommitRequest\(redis/g, (path) => path.startsWith('core/store/')),
      reason,
    )
    expectNone(
      findMatches(/\.\s*s?publish\s*\(/g, (path) => /^(?:core\/(?:store|pubsub)|bridge)\//.test(path)),
      reason,
    )
  })

  it('only core/redis opens connections', () => {
    expectNone(
      [
        ...findMatches(/\bnew\s+(?:Redis|Cluster)\s*\(/g, (path) => path.startsWith('core/redis/')),
        ...findMatches(/\bfrom ['"]ioredis['"]/g, (path) => path.startsWith('core/')),
      ],
      'single, Sentinel and Cluster, and what to do while Redis is away, are decided in one place (core/redis/connect.ts)',
    )
  })

  it('only core decides a next state', () => {
    const withInitialSteps = sources.filter(({ code }) =>
      /import \{ initialSteps \} from '[./a-z]*steps\.ts'/.test(code),
    )
    expectNone(
      importing(
        ({ path }) =>
          ![
            'core/domain/state-machine.ts',
            'core/domain/command.ts',
            'core/records/foreign-record.ts',
            'core/records/reconcile.ts',
            'core/store/record-store.ts',
            'core/store/decode-value.ts',
          ].includes(path),
        (target) =>
          target === 'core/records/foreign-record.ts' ||
          target === 'core/domain/otp-prompt.ts' ||
          target === 'core/domain/steps.ts',
      )
        .filter(
          (breach) =>
            !breach.endsWith('core/domain/otp-prompt.ts') || !breach.startsWith('../core/domain/command.ts'),
        )
        // The initial steps of a service are no next state.
        .filter((breach) => !withInitialSteps.some(({ path }) => breach === `${path}: core/domain/steps.ts`))
        // Only to describe an invalid message.
        .filter((breach) => breach !== 'core/pubsub/watched-request.ts: core/records/foreign-record.ts'),
      'the rules live once, in the state machine; everything else goes through the store',
    )
  })

  it(`no file is longer than ${LONGEST} lines`, () => {
    expectNone(
      [...sources, ...measuring]
        .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
        .filter(({ lines }) => lines > LONGEST)
        .map(({ path, lines }) => `${path}: ${lines} lines`),
      'at 250 lines find the second duty of a file, and give it a name and a file of its own',
    )
  })

  it(`no function is longer than ${MAX_FUNCTION_LINES} lines`, () => {
    expectNone(
      sources.flatMap(({ path, parsed }) =>
        findFunctions(parsed.code)
          .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
          .map(({ line, lines }) => `${path}:${line}: ${lines} lines`),
      ),
      'a long function has several duties; give each of them a name and what it needs as parameters',
    )
  })

  it('no two files export the same name', () => {
    const exporters = new Map<string, Set<string>>()
    for (const { path, parsed } of sources)
      for (const [, name = ''] of parsed.code.matchAll(EXPORTED_DECLARATION))
        exporters.set(name, (exporters.get(name) ?? new Set()).add(path))
    expectNone(
      [...exporters]
        .filter(([name, { size }]) => size > 1 && !(name in SHARED_EXPORTS))
        .map(([name, paths]) => `${name}: ${[...paths].join(', ')}`),
      'an exported name has one meaning in the repository, so that it can be searched for',
    )
  })

  it('no identifier contains a word of the private dialect', () => {
    expectNone(
      all.flatMap(({ path, parsed }) => {
        const identifiers = new Set(parsed.code.match(/[A-Za-z_$][\w$]*/g))
        return [...identifiers]
          .filter((name) => wordsOfIdentifier(name).some((word) => DIALECT_IN_NAMES.has(word)))
          .map((name) => `${path}: ${name}`)
      }),
      'use the standard term: notify or publish, invalid, own and foreign, timeout, received, delete',
    )
  })

  it('no comment and no test name contains a word of the private dialect', () => {
    expectNone(
      all.flatMap(({ path, parsed: { comments, names } }) =>
        [...comments, ...names]
          .flatMap((prose) => prose.match(DIALECT_IN_PROSE) ?? [])
          .map((word) => `${path}: ${word}`),
      ),
      'name the real subject (a client, a worker, the submitter) and use the standard term',
    )
  })

  it('file names are kebab-case, but for README.md', () => {
    expectNone(
      files.filter(
        (path) =>
          // A Python module is imported by the name of its file.
          !/^[a-z0-9]+(?:_[a-z0-9]+)*\.py$|^README\.md$/.test(basename(path)) &&
          !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|config))?\.[a-z0-9]+$/.test(basename(path)),
      ),
      'file names are kebab-case nouns, alike on every file system',
    )
  })

  it('there is no utils.ts', () => {
    expectNone(
      files.filter((path) => /^(?:utils?|helpers?|common|misc|shared)\.ts$/.test(basename(path))),
      'a drawer named utils collects what has no place; name the thing and put it where it is used',
    )
  })

  it('test helpers register no hooks on import', () => {
    expectNone(
      all
        .filter(({ path }) => isTest(path) && !path.startsWith('test/faults/'))
        .filter(({ path }) => !path.endsWith('.test.ts') && path !== 'test/helpers/setup.ts')
        .flatMap(({ path, code }) =>
          [...code.matchAll(/^(?:before|after)(?:All|Each)\b/gm)].map(([found]) => `${path}: ${found}`),
        ),
      'a module is loaded once for all files of a worker, so the hook would be the first file’s alone; use cleanUp',
    )
  })

  it('imports name the file with its ending', () => {
    expectNone(
      all.flatMap(({ path, imports }) =>
        imports
          .filter(
            (target) =>
              FOLDERS.includes(folderOf(target)) && target.includes('/') && !/\.[a-z]+$/.test(target),
          )
          .map((target) => `${path}: ${target}`),
      ),
      'Node runs these files as they are',
    )
  })

  it('the rules read all files', () => {
    expect(sources.length).toBeGreaterThan(40)
    expect(measuring.length).toBeGreaterThan(15)
    expect(all.find(({ path }) => path === 'core/redis/connect.ts')?.imports).toContain('core/redis/keys.ts')
    expect(sources.flatMap(({ parsed }) => findFunctions(parsed.code)).length).toBeGreaterThan(400)
    expect(all.flatMap(({ parsed }) => parsed.names)).toContain('the rules read all files')
  })
})
