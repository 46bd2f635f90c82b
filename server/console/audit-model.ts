/** The model of the page of the audit log. What it names are identifiers of this installation, and keyed digests. */
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import { AUDIT_ACTIONS, type StoredAuditEntry } from '../../core/store/audit-log.ts'
import { requestHref } from './requests-model.ts'

type AuditAction = (typeof AUDIT_ACTIONS)[number]

export const parseAction = (given: string | null): AuditAction | undefined =>
  AUDIT_ACTIONS.find((action) => action === given)

export function auditRow(
  entry: StoredAuditEntry,
  { now, texts: { t } }: { now: number; texts: ConsoleTexts },
) {
  const { at, action, outcome, reason, who, from, request, queue, service, subject, settings, more } = entry
  return {
    id: entry.id,
    at,
    ago: t('console.ago', { duration: formatDuration(t, Math.max(0, now - Date.parse(at)) / 1000) }),
    what: t(`console.audit.${action}`),
    outcome: outcome === 'refused' ? t('console.audit.refused') : t('console.audit.done'),
    reason: reason ?? null,
    more: more ? t('console.audit.more', { count: more }) : null,
    who: who ?? from ?? '–',
    request: request ? { reference: request, href: requestHref(request) } : null,
    about: [queue, service, subject, ...(settings ?? [])].filter((name) => name !== undefined),
  }
}

export function auditFilter(chosen: AuditAction | undefined, { t }: ConsoleTexts) {
  return AUDIT_ACTIONS.map((action) => ({
    value: action,
    text: t(`console.audit.${action}`),
    isChosen: action === chosen,
  }))
}
