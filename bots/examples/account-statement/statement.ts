/** Converts the portal's statement, a table about the account and one of lines, to the service's result. */
import { z } from 'zod'
import { collapseSpaces, type PortalPage, portalChanged } from '../portal/portal-page.ts'

/** Whole units of the currency, with separators of thousands. */
const amount = z
  .string()
  .regex(/^-?\d{1,3}(,\d{3})*$/)
  .transform((text) => Number(text.replaceAll(',', '')))

const line = z.object({
  /** YYYY-MM-DD. */
  date: z.iso.date(),
  description: z.string().min(1).max(200),
  /** Negative for outgoing money. */
  amount,
  /** After this line. */
  balance: amount,
})

const statement = z.object({
  /** Masked by the portal: a result must not contain the whole number. */
  account_number: z.string().regex(/^\*+\d{4}$/),
  holder: z.string().min(1).max(200),
  /** Oldest first. */
  lines: z.array(line).min(1).max(500),
  closing_balance: amount,
  currency: z.string().regex(/^[A-Z]{3}$/),
  reference_number: z.string().min(1).max(100),
})

export type Statement = z.infer<typeof statement> & {
  /** The period from the first line to the last. YYYY-MM-DD. */
  first_day: string
  last_day: string
}

/** @throws BotFailure `portal_changed` when something is missing, cannot be read, or does not add up */
export function readStatement(page: PortalPage): Statement {
  const about = page.rows('table.account')
  const read = statement.safeParse({
    account_number: about.get('Account'),
    holder: about.get('Holder'),
    lines: readLines(page),
    closing_balance: about.get('Closing balance'),
    currency: about.get('Currency'),
    reference_number: about.get('Reference number'),
  })
  if (!read.success)
    throw portalChanged(`the statement's ${read.error.issues[0]?.path.join(' ')} cannot be read`)
  const { lines, closing_balance } = read.data
  const addsUp = lines.every(
    ({ amount, balance }, i) => i === 0 || lines[i - 1]!.balance + amount === balance,
  )
  if (!addsUp || lines.at(-1)?.balance !== closing_balance)
    throw portalChanged('the statement does not add up')
  return { ...read.data, first_day: lines[0]!.date, last_day: lines.at(-1)!.date }
}

/** By column name, in any order of columns. */
function readLines({ $ }: PortalPage): Record<string, string>[] {
  const names = $('table.lines thead th')
    .get()
    .map((cell) => collapseSpaces($(cell).text()).toLowerCase())
  return $('table.lines tbody tr')
    .get()
    .map((row) => {
      const cells = $(row).find('td').get()
      return Object.fromEntries(cells.map((cell, i) => [names[i] ?? '', collapseSpaces($(cell).text())]))
    })
}
