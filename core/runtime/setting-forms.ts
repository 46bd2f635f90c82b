/** Forms that several settings have. */
import { z } from 'zod'

export const port = z.coerce.number().int().min(1).max(65_535)

/** Comma-separated. */
export const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)
