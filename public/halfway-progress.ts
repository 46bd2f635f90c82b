/**
 * `<halfway-progress hash="req_…">`: a request on somebody else's page, live, with everything that can be done about it.
 * One script tag, and the origin of the page in the server's ALLOWED_ORIGINS. docs/EMBED.md says how, and how to theme it.
 *
 * It shows the server's own page of the request, in a tree of its own where the styles of neither page reach the other.
 */
import type { PublicView } from '../core/record.ts'
import { embed } from './embedded-page.ts'

/** What happens is told as events on the element; `detail` is the request as everybody may see it. */
export type HalfwayEvent =
  | 'progress'
  | 'otp-required'
  | 'completed'
  | 'failed'
  | 'cancelled'
  /** `detail` is only the `hash`: nothing else is left. */
  | 'expired'

// The platform knows custom elements as classes only.
class HalfwayProgress extends HTMLElement {
  static readonly observedAttributes = ['hash', 'lang', 'owner-token']
  #stop: (() => void) | null = null
  #root = this.attachShadow({ mode: 'open' })

  /** The request as last heard; null before that. */
  view: PublicView | null = null

  connectedCallback(): void {
    this.#begin()
  }

  disconnectedCallback(): void {
    this.#stop?.()
    this.#stop = null
  }

  attributeChangedCallback(_name: string, before: string | null, now: string | null): void {
    if (this.#stop && before !== now) this.#begin()
  }

  #begin(): void {
    this.#stop?.()
    this.view = null
    this.#stop = embed({
      root: this.#root,
      server: new URL(import.meta.url).origin,
      hash: this.getAttribute('hash') ?? '',
      locale: /^fa\b/.test(this.closest<HTMLElement>('[lang]')?.lang ?? '') ? 'fa' : 'en',
      ownerToken: this.getAttribute('owner-token') ?? undefined,
      tell: (event, detail) => {
        if ('version' in detail) this.view = detail
        this.dispatchEvent(new CustomEvent<PublicView | { hash: string }>(event, { detail, bubbles: true }))
      },
    })
  }
}

if (!customElements.get('halfway-progress')) customElements.define('halfway-progress', HalfwayProgress)
