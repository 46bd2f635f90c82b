import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  displayWidth,
  visible,
  visibleJson,
  visibleLines,
  visibleLog,
} from '../../../core/runtime/visible-text.ts'

/** Characters that a terminal acts on, or that are invisible. */
const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u200b\u2060\ufeff\u{e0020}-\u{e007f}]/u

describe('untrusted text', () => {
  it.each([
    ['a window title', '\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007'],
    ['a cleared screen', '\u001b[2J\u001b[H', '\\u001b[2J\\u001b[H'],
    ['a clipboard write', '\u001b]52;c;eA==\u001b\\', '\\u001b]52;c;eA==\\u001b\\'],
    ['an 8-bit control sequence', '\u009b2J', '\\u009b2J'],
    ['line breaks', 'a\nb\r\nc\u2028d\u2029e\u0085f', 'a\\nb\\r\\nc\\u2028d\\u2029e\\u0085f'],
    ['a bidi override', 'a\u202egnp.exe', 'a\\u202egnp.exe'],
    ['an isolate that is not closed', 'a\u2066b', 'a\\u2066b'],
    ['a closing without an isolate', 'a\u2069b', 'a\\u2069b'],
    ['an isolate that reverses Latin text', '\u2067abc (1)\u2069', '\\u2067abc (1)\\u2069'],
    [
      'invisible characters',
      'a\u200bb\u00adc\u2060d\ufeffe\u200ef',
      'a\\u200bb\\u00adc\\u2060d\\ufeffe\\u200ef',
    ],
    ['joiners in Latin words', 'req\u200c_\u200d1', 'req\\u200c_\\u200d1'],
    ['tags', 'a\u{e0041}', 'a\\udb40\\udc41'],
    ['half a surrogate pair', 'a\ud83d', 'a\\ud83d'],
    ['NUL, backspace, delete', 'a\u0000b\bc\u007f', 'a\\u0000b\\u0008c\\u007f'],
  ])('untrusted text with %s is escaped', (_what, text, shown) => {
    expect(visible(text)).toBe(shown)
  })

  it.each([
    'در حال درخواست ارسال کد به \u2066+98…\u2069…',
    'می\u200cخواهم نامه\u200cهای شما را ببینم',
    'کد \u200f123\u200f رسید',
    '\u2068سلام\u2069 \u2066(a \u2068b\u2069)\u2069',
    'Réponse à 50 % – “fine” 日本語 🙂 👩\u200d👧 ❤\ufe0f',
  ])('legitimate text is not escaped: %s', (text) => {
    expect(visible(text)).toBe(text)
  })

  it('escaped text contains no character that a terminal acts on, for any input', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visible(text)).not.toMatch(HIDDEN)
        expect(visible(visible(text))).toBe(visible(text))
      }),
    )
  })

  it('visibleLines keeps line breaks and pairs no isolates across lines', () => {
    expect(visibleLines('a\u2066\nb\u2069')).toBe('a\\u2066\nb\\u2069')
  })

  it('visibleJson returns equivalent JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const json = visibleJson(JSON.stringify(value, null, 2))
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(json.replaceAll('\n', '')).not.toMatch(HIDDEN)
      }),
    )
  })

  it('visibleLog escapes the strings of a log line once more, because they are printed decoded', () => {
    const line = visibleLog('{"msg":"a\\u001b[2J","err":{"stack":"x\\n  y\\u009b"}}\n')
    expect(JSON.parse(line)).toEqual({ msg: 'a\\u001b[2J', err: { stack: 'x\n  y\\u009b' } })
    expect(visibleLog('no JSON\u001b[2J\n')).toBe('no JSON\\u001b[2J\n')
  })

  it('displayWidth counts visible characters only', () => {
    expect(displayWidth('می\u200cخواهم')).toBe(7)
    expect(displayWidth('\u2066a\u2069e\u0301')).toBe(2)
  })
})
