/**
 * `<halfway-progress hash="req_…">`: a live request on another site, with all its actions. It needs one script tag, and the
 * origin of the page in the server's ALLOWED_ORIGINS; docs/EMBED.md describes the setup and theming.
 *
 * It shows the server's page of the request in a shadow tree, which isolates the styles of both pages.
 */
import type { PublicView } from '../core/domain/record.ts'
import { embed } from './embedded-page.ts'

// Custom elements must be classes.
class HalfwayProgress extends HTMLElement {
  static readonly observedAttributes = ['hash', 'lang', 'owner-token']
  readonly #root = this.attachShadow({ mode: 'open' })
  #stop: (() => void) | null = null

  /** Of the last event; null before the first. */
  view: PublicView | null = null

  connectedCallback(): void {
    this.#start()
  }

  disconnectedCallback(): void {
    this.#teardown()
  }

  attributeChangedCallback(_name: string, before: string | null, now: string | null): void {
    if (this.isConnected && before !== now) this.#start()
  }

  #start(): void {
    this.#teardown()
    this.view = null
    // The element's own children are shown until the content has loaded.
    this.#root.replaceChildren(document.createElement('slot'))
    const hash = this.getAttribute('hash')
    if (!hash) return
    this.#stop = embed({
      root: this.#root,
      server: new URL(import.meta.url).origin,
      hash,
      language: this.closest<HTMLElement>('[lang]')?.lang.match(/^[a-z]+/i)?.[0],
      ownerToken: this.getAttribute('owner-token') ?? undefined,
      emit: (event, detail) => {
        if ('version' in detail) this.view = detail
        this.dispatchEvent(new CustomEvent(event, { detail, bubbles: true }))
      },
    })
  }

  #teardown(): void {
    this.#stop?.()
    this.#stop = null
  }
}

if (!customElements.get('halfway-progress')) customElements.define('halfway-progress', HalfwayProgress)
