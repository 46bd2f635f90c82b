/** The interface between `watch` and its renderers. */
import type { PublicView } from '../../core/domain/record.ts'

export interface Renderer {
  /** Resolves once the view is shown; `changed` aborts when a newer one exists. */
  show(view: PublicView, changed: AbortSignal): Promise<void>
  end(view: PublicView): void
}
