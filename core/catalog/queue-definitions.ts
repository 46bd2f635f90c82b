/**
 * The queues. A queue's limits hold over all workers together. Services that call the same bot, or the same portal behind it,
 * share a queue; services that must not share limits have separate ones.
 */

export interface ServiceQueue {
  /** As in the worker's option `--queue`. */
  readonly name: string
  /** How many requests may run concurrently; unlimited when left out. */
  readonly maxConcurrent?: number
  /** How many requests may start within `seconds`; unlimited when left out. */
  readonly rate?: { readonly requests: number; readonly seconds: number }
}

export const inquiryQueue: ServiceQueue = { name: 'inquiries' }
/** Limited because each crawl makes many requests to other sites over the installation's network. */
export const crawlQueue: ServiceQueue = { name: 'crawls', maxConcurrent: 20 }
