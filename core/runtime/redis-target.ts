/** The Redis that the settings name; `embedded` when they name none. */
export type RedisTarget =
  | { kind: 'single'; url: string }
  | { kind: 'single'; host: string; port: number; password?: string; db: number }
  | {
      kind: 'sentinel'
      sentinels: { host: string; port: number }[]
      name: string
      password?: string
      db: number
    }
  | { kind: 'cluster'; nodes: { host: string; port: number }[]; password?: string }
  | { kind: 'embedded' }
