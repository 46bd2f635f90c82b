/** In which language somebody is answered. English only, until there is a second catalogue of texts. */
import type { Request } from 'express'
import type { Locale } from '../../core/texts/index.ts'

export const localeOf = (_req: Request): Locale => 'en'
