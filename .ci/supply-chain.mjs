/**
 * `npm run supply-chain`: what is installed is what was chosen. Reads package-lock.json of the working directory: each package has
 * a checksum and comes from npm's registry, and each that is shipped has a licence of the list. Then npm writes the list of
 * packages in production (SBOM) and looks for known vulnerabilities among them. Exits with 1 and a sentence for each fault.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const REGISTRY = 'https://registry.npmjs.org/'
const SBOM = 'sbom.cdx.json'
/** Licences that ask for no more than to be named, with those that give everything away. */
const LICENCES = new Set(
  (
    '0BSD Apache-2.0 BlueOak-1.0.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT MIT-0 Python-2.0 Unlicense ' +
    'WTFPL Zlib'
  ).split(' '),
)

const print = (text) => process.stdout.write(`${text}\n`)
/** Of an alias the lock file has the name beside the path. */
const nameOf = ({ path, name }) => name ?? path.split('node_modules/').pop()

/** The packages of the lock file, without this project and folders of it. */
function readPackages() {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  if (lock.lockfileVersion !== 3)
    throw new Error(`package-lock.json has version ${lock.lockfileVersion}, not 3: write it with a newer npm`)
  return Object.entries(lock.packages)
    .filter(([path, { link }]) => path.includes('node_modules/') && !link)
    .map(([path, entry]) => ({ ...entry, path }))
    .map((one) => ({ ...one, label: `${nameOf(one)} ${one.version}` }))
}

/** Of a package in another one's archive the archive has the checksum. */
function originFaults({ label, resolved, integrity, inBundle }) {
  const faults = []
  if (resolved !== undefined && !resolved.startsWith(REGISTRY))
    faults.push(`${label} comes from ${resolved}, not from ${REGISTRY}`)
  if (!inBundle && !/(?:^|\s)sha512-[A-Za-z0-9+/]{86}==/.test(integrity ?? ''))
    faults.push(`${label} has no checksum (sha512): npm would install it without comparing it`)
  return faults
}

/** Older packages name it as a list, which npm does not copy into the lock file. */
function licenceOf({ path, license }) {
  if (license !== undefined) return license
  const file = `${path}/package.json`
  const { license: own, licenses } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const named = own?.type ?? own ?? licenses?.map(({ type }) => type).join(' OR ')
  return named || 'none'
}

/** Of a choice one licence is enough; an expression with AND or WITH needs all of its words in the list. */
function isAccepted(expression) {
  const licences = expression.split(/[\s()]+|\b(?:AND|OR)\b/).filter(Boolean)
  const mayChoose = !/\b(?:AND|WITH)\b/.test(expression)
  return mayChoose ? licences.some((one) => LICENCES.has(one)) : licences.every((one) => LICENCES.has(one))
}

/** @returns the JSON that npm prints, whatever its exit code says; null where it prints none */
function npm(...args) {
  const own = process.env.npm_execpath
  const [program, before] = own?.endsWith('npm-cli.js') ? [process.execPath, [own]] : ['npm', []]
  const options = { maxBuffer: 2 ** 26, shell: program === 'npm' && process.platform === 'win32' }
  return new Promise((resolve) =>
    execFile(program, [...before, ...args], options, (_error, stdout, stderr) => {
      try {
        resolve({ answer: JSON.parse(stdout), stderr })
      } catch {
        resolve({ answer: null, stderr })
      }
    }),
  )
}

/**
 * With `--omit dev` npm also leaves out what production and development both use. So the list has everything, and what is
 * marked as development only is taken out.
 */
async function writeSbom(packages) {
  const { answer: sbom, stderr } = await npm('sbom', '--sbom-format', 'cyclonedx', '--package-lock-only')
  if (!sbom?.components) return [`npm sbom has failed: ${stderr.trim()}`]
  const isShipped = ({ properties = [] }) =>
    !properties.some(({ name, value }) => name === 'cdx:npm:package:development' && value === 'true')
  sbom.metadata.component.name = JSON.parse(readFileSync('package.json', 'utf8')).name
  sbom.components = sbom.components.filter(isShipped)
  const listed = new Set([sbom.metadata.component, ...sbom.components].map((one) => one['bom-ref']))
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => listed.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => listed.has(one)) }))
  writeFileSync(SBOM, `${JSON.stringify(sbom, null, 2)}\n`)
  const written = new Set(sbom.components.map(({ purl }) => decodeURIComponent(purl)))
  return packages
    .filter((one) => !one.dev && !written.has(`pkg:npm/${nameOf(one)}@${one.version}`))
    .map(({ label }) => `${label} is not in ${SBOM}`)
}

async function findVulnerabilities() {
  const { answer: report } = await npm(
    'audit',
    '--omit=dev',
    '--json',
    '--fetch-retries=0',
    '--fetch-timeout=20000',
  )
  if (!report?.vulnerabilities) {
    print('Not asked for known vulnerabilities: the registry does not answer npm audit.')
    return []
  }
  return Object.values(report.vulnerabilities)
    .filter(({ severity }) => severity === 'high' || severity === 'critical')
    .map(({ name, severity, via }) => {
      const why = via.map((one) => (typeof one === 'string' ? `by ${one}` : `${one.title} (${one.url})`))
      return `${name} has a known vulnerability (${severity}): ${why.join(', ')}`
    })
}

const packages = readPackages()
const faults = packages.flatMap(originFaults)
const tolerated = new Map()
for (const one of packages) {
  const licence = licenceOf(one)
  if (isAccepted(licence)) continue
  if (one.dev) tolerated.set(licence, [...(tolerated.get(licence) ?? []), one.label])
  else
    faults.push(`${one.label} has the licence ${licence}, which is not in the list of .ci/supply-chain.mjs`)
}
for (const [licence, labels] of tolerated)
  print(`Licence ${licence}, of development dependencies: ${labels.join(', ')}.`)
// What is written and asked is only of use once the lock file is right.
if (faults.length === 0)
  faults.push(...(await Promise.all([writeSbom(packages), findVulnerabilities()])).flat())

if (faults.length === 0)
  print(`${packages.length} packages are as they should be; ${SBOM} lists those of production.`)
else process.stderr.write(`${faults.map((fault) => `${fault}.\n`).join('')}`)
process.exitCode = faults.length === 0 ? 0 : 1
