/** What `watch` shows a request with. */
import type { PublicView } from '../../core/domain/record.ts'

/** How a followed request is shown. */
export interface Renderer {
  /** Resolves once it is shown; `changed` aborts when there is something newer. */
  show(view: PublicView, changed: AbortSignal): Promise<void>
  end(view: PublicView): void
}
