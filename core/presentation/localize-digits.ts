/** Writes the digits of a text, such as a telephone number or an ISO date, as the language does. */
export function localizeDigits(locale: string, text: string): string {
  const format = new Intl.NumberFormat(locale)
  return text.replace(/[0-9]/g, (digit) => format.format(Number(digit)))
}
