/**
 * The queues. Services whose work goes to the same bot, or to the same portal behind it, share one and with it its limits,
 * which hold over all workers together. What must not share a limit goes into a queue of its own.
 */

export interface ServiceQueue {
  /** What `--queue` calls it. */
  readonly name: string
  /** How many requests may run at once; left out, as many as the workers take. */
  readonly maxConcurrent?: number
  /** How many may be begun in a time; left out, any number. */
  readonly rate?: { readonly requests: number; readonly seconds: number }
}

export const inquiryQueue: ServiceQueue = { name: 'inquiries' }
/** A crawl is many calls: not more of them at once than the sites and our own line bear. */
export const crawlQueue: ServiceQueue = { name: 'crawls', maxConcurrent: 20 }
