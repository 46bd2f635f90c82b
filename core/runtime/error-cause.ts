/**
 * What of an error may leave the process that caught it: its class, its place in the code, and of our own errors the message
 * without what a person typed or a bot said.
 */
import { relative } from 'node:path'

const NAME = /^[A-Za-z_$][\w$]{0,59}$/
const MAX_MESSAGE = 200
const MAX_PLACE = 120
/** Causes can be circular. */
const MAX_DEPTH = 5

/**
 * Class and place of the error that the others were made of. The message is left out: that of a handler's error may quote
 * what a person typed. A system error is named by its code, such as `ECONNREFUSED`.
 */
export function describeCause(error: unknown): { name: string; at?: string } {
  const chain = chainOf(error)
  const root = chain.at(-1)
  if (!(root instanceof Error)) return { name: root === null ? 'null' : typeof root }
  const names = [isSystemError(root) && root.code, root.name, root.constructor.name]
  const name = names.find((one): one is string => typeof one === 'string' && NAME.test(one)) ?? 'Error'
  const at = placeOf(chain.filter((one) => one instanceof Error))
  return { name, ...(at !== undefined && { at }) }
}

/**
 * The same with the message of an error of our own.
 *
 * @param secrets what a person typed, at any depth: it is removed from the message
 */
export function describeOwnCause(
  error: unknown,
  secrets: unknown,
): ReturnType<typeof describeCause> & { message?: string } {
  const root = chainOf(error).at(-1)
  const message = root instanceof Error ? withoutSecrets(root, secrets) : ''
  return { ...describeCause(error), ...(message && { message }) }
}

/** The error and its causes, the outermost first. */
function chainOf(error: unknown): unknown[] {
  const chain = [error]
  for (let last = error; last instanceof Error && last.cause !== undefined && chain.length < MAX_DEPTH; ) {
    last = last.cause
    chain.push(last)
  }
  return chain
}

/** Made by Node from addresses and paths: `connect ECONNREFUSED 127.0.0.1:9999`. */
const isSystemError = (error: Error): error is NodeJS.ErrnoException => 'syscall' in error

/** Quoted text, and digits as long as a code, are removed too: libraries quote what they were given. */
function withoutSecrets(error: Error, secrets: unknown): string {
  if (isSystemError(error)) return error.message.slice(0, MAX_MESSAGE)
  const typed = valuesIn(secrets).sort((a, b) => b.length - a.length)
  return typed
    .reduce((text, value) => text.replaceAll(value, '…'), error.message)
    .replace(/(["'`]).*\1/gs, (quoted) => (NAME.test(quoted.slice(1, -1)) ? quoted : '…'))
    .replace(/\p{Nd}{4,}/gu, '…')
    .slice(0, MAX_MESSAGE)
}

/** Single characters would remove half of each message. */
function valuesIn(secrets: unknown): string[] {
  if (typeof secrets === 'object' && secrets !== null) return Object.values(secrets).flatMap(valuesIn)
  return ['string', 'number'].includes(typeof secrets) && String(secrets).length > 1 ? [String(secrets)] : []
}

/** Classes whose messages are written by V8, Redis or us, and hold no free text of others. */
const OWN_CLASSES = new Set([
  'TypeError',
  'RangeError',
  'ReferenceError',
  'ReplyError',
  'AppError',
  'StartupError',
])

/** For a log in production, where nothing is known of what was typed. Undefined where the message may hold anything. */
export const messageForLog = (error: Error): string | undefined =>
  isSystemError(error) || OWN_CLASSES.has(error.name) ? withoutSecrets(error, null) : undefined

/** The stack without the message, which it begins with. */
export const framesOf = ({ stack = '' }: Error): string[] =>
  stack.split('\n').filter((line) => /^ {4}at /.test(line))

/** The first frame of the project in the innermost error that has one, else of a package. */
function placeOf(chain: Error[]): string | undefined {
  const places = chain
    .reverse()
    .flatMap(framesOf)
    .flatMap((frame) => {
      const [, file, line] = /(?:file:\/\/)?([^()\s]+):(\d+):\d+\)?$/.exec(frame.replaceAll('\\', '/')) ?? []
      return file && !file.startsWith('node:') ? [{ file, line }] : []
    })
  const place = places.find(({ file }) => !file.includes('node_modules/')) ?? places[0]
  return place && `${shorten(place.file)}:${place.line}`.slice(-MAX_PLACE)
}

/** Without the folders of the machine. */
function shorten(file: string): string {
  const [, inPackage] = /.*node_modules\/(.+)$/.exec(file) ?? []
  const inProject = relative(process.cwd(), file).replaceAll('\\', '/')
  return inPackage ?? (inProject.startsWith('..') ? file.split('/').slice(-2).join('/') : inProject)
}
