import type { Request } from 'express'

/** With PUBLIC_URL, else as the server was called. A `Host` that is none gives the path alone. */
export function absoluteLink(req: Request, publicUrl: string | undefined, path: string): string {
  const origin = publicUrl ?? `${req.protocol}://${req.host}`
  return URL.canParse(origin) ? new URL(path, origin).href : path
}
