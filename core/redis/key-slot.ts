/** The slot of a key or a sharded channel in a Cluster: CRC16 of what the first braces enclose, else of the whole name. */
export function keySlot(name: string): number {
  const tag = /^[^{]*\{([^}]+)\}/.exec(name)?.[1] ?? name
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc % 16_384
}
