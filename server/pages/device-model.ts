/** The model of the link that opens the field of a code on another device, with its QR code. */
import { encode } from 'uqr'

export interface DeviceLink {
  href: string
  /** The id of the question that it is for. */
  prompt: string
}

export interface DeviceModel extends DeviceLink {
  /** Whether only this computer can open the address. */
  isLocal: boolean
  qr: QrCode
}

/** Its dark modules as the path of an SVG, whose view box is a square of `size`. */
export interface QrCode {
  size: number
  path: string
}

/** The white modules around the code, without which cameras do not find it. */
const QUIET_ZONE = 4

export function deviceModel(link: DeviceLink): DeviceModel {
  return { ...link, isLocal: isLoopback(new URL(link.href).hostname), qr: qrCode(link.href) }
}

function qrCode(text: string): QrCode {
  const { data, size } = encode(text, { border: QUIET_ZONE, ecc: 'M' })
  // Neighbours of a row in one piece, which is half as long as single modules.
  const rows = data.map((row, y) => {
    const modules = row.map((isDark) => (isDark ? '#' : ' ')).join('')
    return [...modules.matchAll(/#+/g)].map(
      ({ 0: { length }, index }) => `M${index} ${y}h${length}v1h-${length}z`,
    )
  })
  return { size, path: rows.flat().join('') }
}

const isLoopback = (host: string): boolean =>
  /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(host)
