/**
 * The logo, and its variants that show a request's state in the tab. Drawn at build time, one file per state, because the
 * pages' CSP allows only images from the server.
 */
const ACCENT = '#2a8f87'
const WARN = '#b7791f'
const BAD = '#c0392b'
const SOFT = '#7b868a'

const svg = (content) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${content}</svg>\n`
const disc = (colour, sign) =>
  svg(
    `<circle cx="16" cy="16" r="15" fill="${colour}"/>` +
      `<path d="${sign}" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/>`,
  )
const ring = (content) =>
  svg(
    `<circle cx="16" cy="16" r="12.5" fill="none" stroke="${ACCENT}" stroke-opacity=".3" stroke-width="6"/>${content}`,
  )
const arc = (percent) =>
  `<circle cx="16" cy="16" r="12.5" fill="none" stroke="${ACCENT}" stroke-width="6" pathLength="100" ` +
  `stroke-dasharray="${percent} 100" transform="rotate(-90 16 16)"/>`

/** By name, as core/presentation/describe-request.ts refers to them. */
export const icons = {
  icon: svg(
    `<circle cx="16" cy="16" r="13" fill="none" stroke="${ACCENT}" stroke-width="4"/>` +
      `<path d="M16 3a13 13 0 0 1 0 26z" fill="${ACCENT}"/>`,
  ),
  'icon-pending': ring(''),
  ...Object.fromEntries(
    Array.from({ length: 10 }, (_, tens) => [`icon-${tens * 10}`, ring(arc(Math.max(4, tens * 10)))]),
  ),
  'icon-otp_required': disc(WARN, 'M8 16h.01M16 16h.01M24 16h.01'),
  'icon-completed': disc(ACCENT, 'M9 17l5 5 9-11'),
  'icon-failed': disc(BAD, 'M16 8v9M16 23.5h.01'),
  'icon-cancelled': disc(SOFT, 'M10 16h12'),
}
