/** Faults in the words of the console. In English they are those of `/readyz` and the command line, too. */
import type { Fault } from '../domain/fault.ts'
import { type ConsoleTexts, createConsoleTexts } from '../i18n/console-texts.ts'

export function describeFaults(faults: readonly Fault[], texts: ConsoleTexts): string {
  const sentence = ({ code, params, cause }: Fault): string =>
    texts.t(`console.fault.${code}`, { ...params, cause: cause ? sentence(cause) : '' })
  return faults.map(sentence).join(texts.locale === 'fa' ? '؛ ' : '; ')
}

export const describeInEnglish = (faults: readonly Fault[]): string =>
  describeFaults(faults, createConsoleTexts('en'))
