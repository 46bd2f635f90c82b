/** Writes the digits of a text, such as a telephone number or an ISO date, as the language does. */
export function localizeDigits(locale: string, text: string): string {
  const format = new Intl.NumberFormat(locale)
  return text.replace(/[0-9]/g, (digit) => format.format(Number(digit)))
}

/** A telephone, account or card number, some of its digits perhaps masked, and nothing else. Not a shorter number or a date. */
export const isNumberText = (text: string): boolean =>
  /^\+?\d[\d*•]*(?: [\d*•]+)*$|^[*•]+(?: ?[\d*•]+)*\d$/.test(text) && (text.length >= 10 || /[*•]/.test(text))

/** A number for people in the digits of the language. Codes, references and addresses, which have letters, unchanged. */
export const localizeNumberText = (locale: string, text: string): string =>
  isNumberText(text) ? localizeDigits(locale, text) : text
