/**
 * Text of others on its way to a terminal or a log. Characters that would act there instead of being read (control
 * characters, bidi overrides, everything invisible) are spelled as JSON escapes, such as `\u001b`.
 *
 * What texts need stays as it is: joiners in Persian words and emoji, and, in `visible` and `visibleLines`, isolates that
 * are closed in their line and direction marks in lines that have right-to-left letters.
 */

const HIDDEN =
  /(?<=[\p{Script=Arabic}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d]|(?<=\p{Extended_Pictographic})\ufe0f|(?<hidden>[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb])/gu
const PLAIN = /^[\n\x20-\x7e]*$/
const RIGHT_TO_LEFT_LETTER = /[\p{Script=Arabic}\p{Script=Hebrew}]/u
const DIRECTION_MARKS = '\u200e\u200f'
const [RLI, PDI] = ['\u2067', '\u2069']
const SHORT_ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** One line: line breaks are spelled, too. */
export function visible(text: string): string {
  if (PLAIN.test(text) && !text.includes('\n')) return text
  const isolates = pairedIsolates(text)
  const isRightToLeft = RIGHT_TO_LEFT_LETTER.test(text)
  return escapeHidden(
    text,
    (char, at) => isolates.has(at) || (isRightToLeft && DIRECTION_MARKS.includes(char)),
  )
}

/** The same for text whose line breaks are our own. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n')

/** JSON stays valid and means the same. Its strings have no line breaks of their own. */
export const visibleJson = (json: string): string =>
  PLAIN.test(json) ? json : escapeHidden(json, (char) => char === '\n')

/**
 * A line of a log whose strings are printed as they are, by a program that makes it readable: as JSON it would only hide
 * what they contain. Line breaks stay, for stacks.
 */
export function visibleLog(line: string): string {
  try {
    const show = (_key: string, value: unknown): unknown =>
      typeof value === 'string' ? visibleLines(value) : value
    return `${JSON.stringify(JSON.parse(line), show)}\n`
  } catch {
    return `${visible(line.trimEnd())}\n`
  }
}

/** How many columns it takes, as far as that can be known without its font. */
export const widthOf = (text: string): number =>
  [...text.replace(/[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}]/gu, '')].length

function escapeHidden(text: string, isKept: (char: string, at: number) => boolean): string {
  return text.replace(HIDDEN, (char: string, hidden: string | undefined, at: number) =>
    hidden === undefined || isKept(char, at) ? char : (SHORT_ESCAPES[char] ?? unicodeEscape(char)),
  )
}

const unicodeEscape = (char: string): string =>
  char
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')

/** Where isolates begin and end that are closed. One that turns Latin text around (RLI) is not among them. */
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
