/**
 * Escapes untrusted text for a terminal or a log. Characters that would act there instead of being read (control
 * characters, bidi overrides, everything invisible) become JSON escapes, such as `\u001b`.
 *
 * Kept as they are: joiners in Persian words and emoji, and, in `visible` and `visibleLines`, isolates that are closed in
 * their line and direction marks in lines with right-to-left letters.
 */

const HIDDEN =
  /(?<=[\p{Script=Arabic}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d]|(?<=\p{Extended_Pictographic})\ufe0f|(?<hidden>[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb])/gu
const PLAIN = /^[\n\x20-\x7e]*$/
const RIGHT_TO_LEFT_LETTER = /[\p{Script=Arabic}\p{Script=Hebrew}]/u
const DIRECTION_MARKS = '\u200e\u200f'
const [RLI, PDI] = ['\u2067', '\u2069']
const SHORT_ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** For one line: line breaks are escaped, too. */
export function visible(text: string): string {
  if (PLAIN.test(text) && !text.includes('\n')) return text
  const isolates = pairedIsolates(text)
  const isRightToLeft = RIGHT_TO_LEFT_LETTER.test(text)
  return escapeHidden(
    text,
    (char, at) => isolates.has(at) || (isRightToLeft && DIRECTION_MARKS.includes(char)),
  )
}

/** The same for trusted line breaks, which are kept. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n')

/** The JSON stays valid and equivalent. Its strings contain no raw line breaks. */
export const visibleJson = (json: string): string =>
  PLAIN.test(json) ? json : escapeHidden(json, (char) => char === '\n')

/**
 * For a log line that pino-pretty prints: it decodes the JSON escapes of strings, so their content is escaped here once more.
 * Line breaks are kept, for stacks.
 */
export function visibleLog(line: string): string {
  try {
    const escapeStrings = (_key: string, value: unknown): unknown =>
      typeof value === 'string' ? visibleLines(value) : value
    return `${JSON.stringify(JSON.parse(line), escapeStrings)}\n`
  } catch {
    return `${visible(line.trimEnd())}\n`
  }
}

/** @returns its width in columns, as far as it is known without the font */
export const displayWidth = (text: string): number =>
  [...text.replace(/[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}]/gu, '')].length

function escapeHidden(text: string, keeps: (char: string, at: number) => boolean): string {
  return text.replace(HIDDEN, (char: string, hidden: string | undefined, at: number) =>
    hidden === undefined || keeps(char, at) ? char : (SHORT_ESCAPES[char] ?? unicodeEscape(char)),
  )
}

const unicodeEscape = (char: string): string =>
  char
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')

/** @returns the indexes of isolates that are closed, except those that reverse Latin text (RLI) */
function pairedIsolates(line: string): Set<number> {
  const paired = new Set<number>()
  const open: number[] = []
  for (const { 0: char, index } of line.matchAll(/[\u2066-\u2069]/g)) {
    if (char !== PDI) {
      open.push(index)
      continue
    }
    const start = open.pop()
    if (start !== undefined && line[start] !== RLI) paired.add(start).add(index)
  }
  return paired
}
