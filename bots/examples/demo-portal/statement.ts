/** A made-up account statement, derived from the account number. Its lines end some days before today. */
import { createInvention, newReference, toDay } from './invention.ts'

export interface PortalStatement {
  /** Only the last four digits. */
  account: string
  holder: string
  /** Oldest first. */
  lines: StatementLine[]
  /** Formatted, in IRR. */
  closingBalance: string
  reference: string
}

interface StatementLine {
  /** The UTC day, YYYY-MM-DD. */
  date: string
  description: string
  /** Formatted; negative for outgoing money. */
  amount: string
  balance: string
}

const DAY_MS = 24 * 60 * 60_000
const IN = ['Salary', 'Transfer from another account', 'Interest', 'Cheque paid in']
const OUT = [
  'Card payment',
  'Cash withdrawal',
  'Electricity bill',
  'Rent',
  'Transfer to another account',
  'Loan instalment',
]

const formatted = (rials: number): string => rials.toLocaleString('en-US')

/** @param now milliseconds */
export function makeStatement(accountNumber: string, now: number): PortalStatement {
  const { pick, fullName } = createInvention(accountNumber)
  const holder = fullName()
  const count = 8 + pick(13)
  const movements = Array.from({ length: count }, () => {
    const comesIn = pick(5) < 2
    const names = comesIn ? IN : OUT
    const rials = (1 + pick(900)) * 10_000 * (comesIn ? 5 : 1)
    return { description: names[pick(names.length)]!, rials: comesIn ? rials : -rials, days: pick(4) }
  })
  let balance = (100 + pick(900)) * 100_000
  let daysAgo = movements.reduce((sum, { days }) => sum + days, pick(3))
  const lines = movements.map(({ description, rials, days }) => {
    balance += rials
    daysAgo -= days
    const date = toDay(now - daysAgo * DAY_MS)
    return { date, description, amount: formatted(rials), balance: formatted(balance) }
  })
  return {
    account: `******${accountNumber.slice(-4)}`,
    holder,
    lines,
    closingBalance: formatted(balance),
    reference: newReference(),
  }
}
