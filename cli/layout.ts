/** Lines for a terminal of a given width: tables, wrapped text, colours. Text is escaped before it is measured. */
import { styleText } from 'node:util'
import type { Status } from '../core/domain/record.ts'
import { displayWidth, visible } from '../core/runtime/visible-text.ts'

type Style = 'green' | 'yellow' | 'red' | 'cyan' | 'gray' | 'bold'

export interface Styled {
  text: string
  style: Style
}
export const styled = (style: Style, text: string): Styled => ({ style, text })

/** A line, or its parts. */
export type Line = string | readonly (string | Styled)[]
export type Cell = string | number | null | Styled
export type Rows = readonly (readonly Cell[])[]

const STATUS_STYLES: Readonly<Record<Status, Style | null>> = {
  pending: null,
  processing: 'cyan',
  otp_required: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'gray',
}
export function styledStatus(status: Status, text: string = status): string | Styled {
  const style = STATUS_STYLES[status]
  return style ? styled(style, text) : text
}

const GAP = 2
/** The least width of a truncated column. */
const MIN_COLUMN = 8
/** The least width of the last column, which is wrapped. */
const MIN_LAST = 16

/**
 * Aligned columns; the first row is the heading. Where they do not fit into the width, the optional columns are left out one
 * by one, and then the widest ones are truncated. Without a width everything is complete.
 *
 * @param optional headings, the first to be left out first
 */
export function table(rows: Rows, width: number | null, optional: readonly string[] = []): Line[] {
  let cells = rows.map((row) => row.map(toPart))
  for (const heading of optional) {
    if (width === null || totalWidth(widthsOf(cells)) <= width) break
    const left = cells[0]?.findIndex((cell) => textOf(cell) === heading) ?? -1
    if (left >= 0) cells = cells.map((row) => row.toSpliced(left, 1))
  }
  const widths = widthsOf(cells)
  if (width !== null) narrow(widths, width)
  return cells.map((row) => {
    const last = row.length - 1
    return row.map((cell, i) => (i === last ? cell : withText(cell, (text) => fill(text, widths[i] ?? 0))))
  })
}

const toPart = (cell: Cell): string | Styled =>
  typeof cell === 'object' && cell !== null ? withText(cell, visible) : visible(String(cell ?? '–'))
const textOf = (part: string | Styled): string => (typeof part === 'string' ? part : part.text)
const withText = (part: string | Styled, change: (text: string) => string): string | Styled =>
  typeof part === 'string' ? change(part) : { ...part, text: change(part.text) }

const widthsOf = (cells: readonly (readonly (string | Styled)[])[]): number[] =>
  (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => displayWidth(textOf(row[i] ?? '')))))
const totalWidth = (widths: readonly number[]): number =>
  widths.reduce((sum, one) => sum + one, GAP * (widths.length - 1))

/** Makes the widest columns narrower, the last one only as far as it can be wrapped. */
function narrow(widths: number[], width: number): void {
  const last = widths.length - 1
  widths[last] = Math.min(widths[last] ?? 0, Math.max(MIN_LAST, width - totalWidth(widths.with(last, 0))))
  for (let excess = totalWidth(widths) - width; excess > 0; excess--) {
    const widest = widths.indexOf(Math.max(...widths.slice(0, last)))
    if ((widths[widest] ?? 0) <= MIN_COLUMN) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

/** Truncated or padded, with the gap after it. */
function fill(text: string, width: number): string {
  const shown = displayWidth(text) <= width ? text : `${firstCharacters(text, width - 1)}…`
  return shown + ' '.repeat(width - displayWidth(shown) + GAP)
}

function firstCharacters(text: string, width: number): string {
  let [taken, left] = ['', width]
  for (const character of text) {
    left -= displayWidth(character)
    if (left < 0) break
    taken += character
  }
  return taken
}

/** Wraps what does not fit: the last part of the line, below its own beginning. */
export function wrapLine(line: Line, width: number): Line[] {
  const parts = (typeof line === 'string' ? [line] : line).map(toPart)
  const before = parts.slice(0, -1)
  const last = parts.at(-1) ?? ''
  const from = before.reduce((sum, part) => sum + displayWidth(textOf(part)), 0)
  const indent = before.length > 0 ? from : (/^ +/.exec(textOf(last))?.[0].length ?? GAP)
  const room = (used: number): number => Math.max(MIN_COLUMN, width - used)
  return wrapText(textOf(last), room(from), room(indent)).map((wrapped, i) => {
    const part = withText(last, () => wrapped)
    return i === 0 ? [...before, part] : [' '.repeat(indent), part]
  })
}

/** @param nextWidth of all lines but the first */
function wrapText(text: string, width: number, nextWidth: number): string[] {
  const lines: string[] = []
  let rest = text
  let room = width
  while (rest.length > room) {
    const head = firstCharacters(rest.slice(0, 4 * room), room)
    if (head.length === rest.length) break
    const space = rest[head.length] === ' ' ? head.length : head.lastIndexOf(' ')
    const end = head.slice(0, Math.max(0, space)).trim() === '' ? head.length : space
    lines.push(rest.slice(0, end).trimEnd())
    rest = rest.slice(end).trimStart()
    room = nextWidth
  }
  return [...lines, rest]
}

/** As it is written. */
export const render = (line: Line, hasColour: boolean): string =>
  (typeof line === 'string' ? [line] : line)
    .map((part) => {
      const text = visible(textOf(part))
      return typeof part === 'string' || !hasColour ? text : paint(part.style, text)
    })
    .join('')
    .trimEnd()

/** Only the words: a background or an underline would show the padding. */
const paint = (style: Style, text: string): string => {
  const words = text.trimEnd()
  return styleText(style, words, { validateStream: false }) + text.slice(words.length)
}
