/**
 * `<halfway-progress hash="req_…">`: a request on somebody else's page, live, with everything that can be done about it.
 * One script tag, and the origin of the page in the server's ALLOWED_ORIGINS. docs/EMBED.md says how, and how to theme it.
 *
 * It shows the server's own page of the request, in a tree of its own where the styles of neither page reach the other.
 */
import type { PublicView } from '../core/domain/record.ts'
import { embed } from './embedded-page.ts'

// The platform knows custom elements as classes only.
class HalfwayProgress extends HTMLElement {
  static readonly observedAttributes = ['hash', 'lang', 'owner-token']
  readonly #root = this.attachShadow({ mode: 'open' })
  #stop: (() => void) | null = null

  /** The request as last told of; null before that. */
  view: PublicView | null = null

  connectedCallback(): void {
    this.#begin()
  }

  disconnectedCallback(): void {
    this.#end()
  }

  attributeChangedCallback(_name: string, before: string | null, now: string | null): void {
    if (this.isConnected && before !== now) this.#begin()
  }

  #begin(): void {
    this.#end()
    this.view = null
    // What the element itself holds is shown until there is something better.
    this.#root.replaceChildren(document.createElement('slot'))
    const hash = this.getAttribute('hash')
    if (!hash) return
    this.#stop = embed({
      root: this.#root,
      server: new URL(import.meta.url).origin,
      hash,
      language: this.closest<HTMLElement>('[lang]')?.lang.match(/^[a-z]+/i)?.[0],
      ownerToken: this.getAttribute('owner-token') ?? undefined,
      onChange: (event, detail) => {
        if ('version' in detail) this.view = detail
        this.dispatchEvent(new CustomEvent(event, { detail, bubbles: true }))
      },
    })
  }

  #end(): void {
    this.#stop?.()
    this.#stop = null
  }
}

if (!customElements.get('halfway-progress')) customElements.define('halfway-progress', HalfwayProgress)
