const ACRONYMS = /\b(?:url|id|ip|http|https|json|html|sms)\b/g

/** Turns an identifier into words: `found_on` and `foundOn` become "Found on". */
export function humanise(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[_\-\s]+/g, ' ')
    .trim()
  const cased = words.toLowerCase().replace(ACRONYMS, (word) => word.toUpperCase())
  return words === '' ? name : cased[0]!.toUpperCase() + cased.slice(1)
}
