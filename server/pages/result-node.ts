/** The parts of a shown result. */
import type { ResultDate } from '../../core/catalog/result-date.ts'
import type { Locale, Texts } from '../../core/i18n/index.ts'
import { localizeNumberText } from '../../core/i18n/localize-digits.ts'

/** All values but dates are text, which the templates escape. */
export type ResultNode =
  /** `number`: must not wrap. */
  | {
      kind: 'text' | 'number'
      text: string
      dir: Direction
      /** The number that is formatted as this text. */
      number?: number
      meaning?: Meaning
    }
  | ({ kind: 'date' } & ResultDate)
  /** Without `href` it is only text. `note` follows it. */
  | {
      kind: 'link'
      text: string
      href: string | null
      isDownload?: boolean
      note: string | null
      dir: Direction
    }
  | { kind: 'image'; src: string; alt: string }
  | { kind: 'list'; items: ResultNode[] }
  | ResultTable
  | { kind: 'group'; facts: LabelledNode[]; sections: LabelledNode[] }

type Direction = 'auto' | 'ltr' | 'rtl'
export type LabelledNode = { label: string; value: ResultNode }
/** What a number means. Words say it; the tone is only a colour. */
export type Meaning = { label: string; tone: 'good' | 'fair' | 'poor' | 'plain' }

export interface ResultColumn {
  label: string
  isNumeric: boolean
  /** What its numbers are in, for files, whose cells are bare numbers; null where each row has its own. */
  unit?: string | null
  /** Of all its amounts, which then stand without it. */
  currency?: string
  /** Some of its amounts are negative: the others have their sign, too. */
  isSigned?: boolean
}

export const headingOf = ({ label, currency }: ResultColumn): string =>
  currency ? `${label} (${currency})` : label

/** How the cells of a column stand in a card, as which a narrow screen shows a row. */
export interface TableColumn extends ResultColumn {
  /** The label, with the currency. */
  heading: string
  /** Too long for half a line. */
  isWide: boolean
  /** Read without its label. */
  isPlain: boolean
}

export interface ResultTable {
  kind: 'table'
  columns: TableColumn[]
  groups: ResultRows[]
  /** How many rows there are, in words. */
  count: string
  /** Says that further rows are not in the result. */
  note: string | null
  /** What shows the rows that are hidden at first; null when none are. */
  showAll: string | null
  plot: Plot | null
  /** Another table of the result has columns of the same kinds, which stand below each other. */
  isAligned: boolean
  /** Entries of an account, which a narrow screen shows in two lines each, below one heading. */
  isLedger: boolean
}

/** Rows with the same value in the column that groups them. */
export interface ResultRows {
  /** Null in a table without groups, and for rows without the value. */
  label: LabelledNode | null
  count: string
  rows: { cells: ResultNode[]; isHidden: boolean }[]
}

export interface Plot {
  label: string
  /** Points of a polyline in a box of `width` × `height`. */
  points: string
  /** The height of the number 0, where the line crosses it. */
  zero: number | null
  /** Where the lowest and the highest number are. */
  marks: Point[]
  width: number
  height: number
  facts: { label: string; value: ResultNode; at: ResultNode }[]
}

export interface Point {
  x: number
  y: number
}

export type ResultContext = Pick<Texts, 't' | 'locale'>

/** Values that fit into a line come first, the others follow under headings. */
export const groupOf = (entries: LabelledNode[]): ResultNode => ({
  kind: 'group',
  facts: entries.filter((entry) => isFact(entry.value)),
  sections: alignTables(entries.filter((entry) => !isFact(entry.value))),
})

function alignTables(sections: LabelledNode[]): LabelledNode[] {
  const shapes = sections.map(({ value }) => shapeOf(value))
  const seen = new Set<string | null>()
  const repeated = new Set(shapes.filter((shape) => seen.size === seen.add(shape).size))
  return sections.map(({ label, value }, i) => {
    const isAligned = shapes[i] !== null && repeated.has(shapes[i] ?? null)
    return { label, value: value.kind === 'table' ? { ...value, isAligned } : value }
  })
}

/** Longer numbers, such as amounts, need the width of their content. */
const MAX_ALIGNED_DIGITS = 6

/** The kinds of a table's columns; null where they cannot have the widths of other tables. */
function shapeOf(node: ResultNode): string | null {
  if (node.kind !== 'table') return null
  const cells = node.groups.flatMap(({ rows }) => rows.flatMap((row) => row.cells))
  const isLong = cells.some((cell) => cell.kind === 'number' && cell.text.length > MAX_ALIGNED_DIGITS)
  return isLong ? null : node.columns.map(({ isNumeric }) => (isNumeric ? 'number' : 'text')).join(' ')
}

/** Numbers, addresses and ids read left to right in any language; other text has the direction of its own letters. */
export const textNode = (text: string, locale: Locale): ResultNode => ({
  kind: 'text',
  text: localizeNumberText(locale, text),
  dir: /^[\x20-\x7e]*$/.test(text) && /[\d/@]/.test(text) ? 'ltr' : 'auto',
})

export const plainText = (text: string): ResultNode => ({ kind: 'text', text, dir: 'auto' })

const isFact = ({ kind }: ResultNode): boolean => !['list', 'table', 'group'].includes(kind)
