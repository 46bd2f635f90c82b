/**
 * Lets the routes, pages and sockets that show a request take the token of a view-only link in place of its hash. What they
 * show has the token where the hash would be. Whether a link is open, and that it may not act, ownership.ts decides.
 */
import type { RequestActions } from '../core/actions/request-actions.ts'
import { AppError } from '../core/domain/errors.ts'
import type { PublicView } from '../core/domain/record.ts'
import { type EncodedUpdate, parseUpdate } from '../core/pubsub/broadcast.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import { encodeView } from '../core/records/codec.ts'
import type { RequestFiles } from '../core/store/request-files.ts'
import { isViewToken, type ViewLinks } from './view-links.ts'

/** How soon a link that was ended shows nothing more. */
const CHECK_EVERY_MS = 1_000

const resolve = (links: ViewLinks, token: string): string => {
  const hash = links.hashOf(token)
  if (hash === null) throw new AppError('link_revoked')
  return hash
}

/** With the token in place of the hash, also within texts: a bot may have put the address of a page into its words. */
const withToken = <T>(value: T, hash: string, token: string): T =>
  JSON.parse(JSON.stringify(value).replaceAll(hash, token))

/** Without `retry_of`, which is the hash of another request. */
const viewThroughLink = (view: PublicView, token: string): PublicView =>
  withToken({ ...view, retry_of: null }, view.hash, token)

/** `cancel` and all else that acts is never reached with a token. */
export function showThroughLinks(requests: RequestActions, links: ViewLinks): RequestActions {
  return {
    ...requests,
    async view(hash) {
      if (!isViewToken(hash)) return requests.view(hash)
      return viewThroughLink(await requests.view(resolve(links, hash)), hash)
    },
    async timeline(view) {
      const { hash: token } = view
      if (!isViewToken(token)) return requests.timeline(view)
      const hash = resolve(links, token)
      return withToken(await requests.timeline({ ...view, hash }), hash, token)
    },
    image: async (hash, id) => requests.image(isViewToken(hash) ? resolve(links, hash) : hash, id),
    async keep(hash) {
      const view = await requests.keep(hash)
      await links.extend(view).catch(() => {})
      return view
    },
    async delete(hash) {
      await requests.delete(hash)
      await links.remove(hash).catch(() => {})
    },
  }
}

export const findThroughLinks = (files: RequestFiles, links: ViewLinks): RequestFiles => ({
  ...files,
  find: async (hash, id) => files.find(isViewToken(hash) ? resolve(links, hash) : hash, id),
})

/** Ends what is watched by a link soon after the link was ended. */
export function watchThroughLinks(
  watcher: RequestWatcher,
  links: ViewLinks,
  { checkEveryMs = CHECK_EVERY_MS }: { checkEveryMs?: number } = {},
): RequestWatcher {
  const watched = new Map<string, Set<() => void>>()
  let timer: NodeJS.Timeout | undefined

  async function check(): Promise<void> {
    await Promise.all(
      [...watched].map(async ([token, ends]) => {
        // While Redis is away nothing new is shown either.
        const isOpen = await links.isOpen(token).catch(() => true)
        if (!isOpen) for (const end of [...ends]) end()
      }),
    )
    timer = watched.size === 0 ? undefined : setTimeout(check, checkEveryMs).unref()
  }

  function addEnd(token: string, end: () => void): () => void {
    const ends = watched.get(token) ?? new Set()
    watched.set(token, ends.add(end))
    timer ??= setTimeout(check, checkEveryMs).unref()
    return () => {
      ends.delete(end)
      if (ends.size === 0 && watched.get(token) === ends) watched.delete(token)
    }
  }

  return {
    async watch(token, listener) {
      if (!isViewToken(token)) return watcher.watch(token, listener)
      const hash = resolve(links, token)
      const through = ({ view }: EncodedUpdate): EncodedUpdate =>
        parseUpdate(encodeView(viewThroughLink(view, token))) as EncodedUpdate
      // The request may expire before the watch has started.
      let removeEnd = (): void => {}
      const { latest, stop } = await watcher.watch(hash, {
        onUpdate: (update) => listener.onUpdate(through(update)),
        onExpired() {
          removeEnd()
          listener.onExpired()
        },
      })
      const end = (): void => {
        removeEnd()
        stop()
        listener.onExpired()
      }
      removeEnd = addEnd(token, end)
      return {
        latest: through(latest),
        stop() {
          removeEnd()
          stop()
        },
      }
    },
    get size() {
      return watcher.size
    },
    stop() {
      clearTimeout(timer)
      watched.clear()
      watcher.stop()
    },
  }
}
