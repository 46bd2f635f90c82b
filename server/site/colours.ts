/** The colours that follow from the operator's accent, and whether text in them can be read (WCAG 2.2, 1.4.3). */
import { StartupError } from '../../core/runtime/startup-error.ts'

type Rgb = readonly [number, number, number]

const WHITE = '#ffffff'
const BLACK = '#000000'
/** As in public/styles/tokens.css; of dark pages the lighter one of page and panel. */
const LIGHT_GROUND = '#f6f7f5'
const DARK_PAPER = '#1b2224'
const DARK_TEXT = '#0b1113'
const ENOUGH = 4.5
/** Of the accent of dark pages where the operator has named none. */
const COMFORTABLE = 8

const parse = (colour: string): Rgb =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as unknown as Rgb

const format = (rgb: Rgb): string =>
  `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`

/** @param share of the second colour, 0 to 1 */
function mix(one: string, other: string, share: number): string {
  const [a, b] = [parse(one), parse(other)]
  return format(a.map((part, i) => part + ((b[i] as number) - part) * share) as unknown as Rgb)
}

function luminance(colour: string): number {
  const [r, g, b] = parse(colour).map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as unknown as Rgb
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

export function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** The colour with as little as needed of another one, until it stands out from the ground. */
function towards(other: string, colour: string, ground: string, enough: number): string {
  for (let share = 0; share < 1; share += 0.01) {
    const mixed = mix(colour, other, share)
    if (contrast(mixed, ground) >= enough) return mixed
  }
  return other
}

/** @throws StartupError that names the contrast and the nearest colour that has enough */
function check(colour: string, against: [ground: string, what: string][], other: string): void {
  const ratios = against.map(([ground, what]) => ({ ground, what, ratio: contrast(colour, ground) }))
  const [worst] = ratios.sort((a, b) => a.ratio - b.ratio)
  if (!worst || worst.ratio >= ENOUGH) return
  const nearest = towards(other, colour, worst.ground, ENOUGH)
  // Rounded down: 4.49 must not read as enough.
  const ratio = Math.floor(worst.ratio * 10) / 10
  throw new StartupError(
    `SITE_COLOR: ${colour} has a contrast of ${ratio} to 1 with ${worst.what} and needs ${ENOUGH}; the nearest colour that has it is ${nearest}.`,
  )
}

interface Accent {
  light: string
  dark?: string | undefined
}

/** The style sheet that sets the colours of the pages. */
export function accentStyle({ light, dark }: Accent): string {
  check(
    light,
    [
      [WHITE, 'white text'],
      [LIGHT_GROUND, 'the background of light pages'],
    ],
    BLACK,
  )
  const onDark = dark ?? towards(WHITE, light, DARK_PAPER, COMFORTABLE)
  check(onDark, [[DARK_PAPER, 'the background of dark pages']], WHITE)
  const lightRules = {
    accent: light,
    'accent-strong': mix(light, BLACK, 0.28),
    'accent-bright': mix(light, WHITE, 0.35),
    'accent-soft': mix(WHITE, light, 0.11),
    'on-accent': WHITE,
  }
  const darkRules = {
    accent: onDark,
    'accent-strong': mix(onDark, WHITE, 0.35),
    'accent-bright': mix(onDark, WHITE, 0.5),
    'accent-soft': mix(DARK_PAPER, onDark, 0.16),
    'on-accent': DARK_TEXT,
  }
  return `${rule(lightRules)}\n@media (prefers-color-scheme: dark) {\n${rule(darkRules)}\n}\n`
}

const rule = (colours: Record<string, string>): string =>
  `:root, :host { ${Object.entries(colours)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(' ')} }`
