/** The Redis that the settings name; `embedded` when they name none. */
export type RedisTarget =
  | { kind: 'single'; url: string }
  | ({ kind: 'single'; host: string; port: number; db: number } & RedisUser)
  | ({
      kind: 'sentinel'
      sentinels: HostPort[]
      name: string
      /** For the Sentinels and for the servers that they watch. */
      tls?: boolean
      sentinelUsername?: string
      sentinelPassword?: string
      db: number
    } & RedisUser)
  | ({ kind: 'cluster'; nodes: HostPort[]; tls?: boolean } & RedisUser)
  | { kind: 'embedded' }

export interface RedisUser {
  username?: string
  password?: string
}

export interface HostPort {
  host: string
  port: number
}

/** Paths of PEM files. */
export interface TlsFiles {
  /** Certificates of the CAs that are trusted, in place of those of Node. */
  ca?: string
  /** The certificate that this process presents, and its key. */
  cert?: string
  key?: string
}

/** REDIS_CLUSTER_CHANNELS. */
export type ClusterChannels = 'plain' | 'both' | 'sharded'
