/** Converts the portal's report, a table of names and values, to the service's result. */
import { z } from 'zod'
import { type PortalPage, portalChanged } from '../portal/portal-page.ts'

const count = z
  .string()
  .regex(/^\d{1,4}$/)
  .transform(Number)

const creditReport = z.object({
  /** 0 to 900. */
  score: z
    .string()
    .regex(/^\d{1,3} of 900$/)
    .transform(Number.parseFloat)
    .pipe(z.number().max(900)),
  rating: z.enum(['A', 'B', 'C', 'D', 'E']),
  open_loans: count,
  bounced_cheques: count,
  reference_number: z.string().min(1).max(100),
  /** YYYY-MM-DD. */
  report_date: z.iso.date(),
  full_name: z.string().min(1).max(200),
})

export type CreditReport = z.infer<typeof creditReport>

/** @throws BotFailure `portal_changed` when a row is missing or cannot be read */
export function readCreditReport(page: PortalPage): CreditReport {
  const rows = page.rows('table.report')
  const report = creditReport.safeParse({
    score: rows.get('Score'),
    rating: rows.get('Rating'),
    open_loans: rows.get('Open loans'),
    bounced_cheques: rows.get('Bounced cheques'),
    reference_number: rows.get('Reference number'),
    report_date: rows.get('Date of the report'),
    full_name: rows.get('Name'),
  })
  if (!report.success)
    throw portalChanged(`the report's ${String(report.error.issues[0]?.path[0])} cannot be read`)
  return report.data
}
