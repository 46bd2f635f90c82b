/** Continues the timeline of the server's page with the views that arrive. */
import type { PublicView } from '../core/domain/record.ts'
import { changeOfTimeline, MAX_STORED_ENTRIES, type TimelineEntry } from '../core/domain/timeline.ts'
import { describeEntry, describeLasted } from '../core/presentation/describe-timeline.ts'
import { find, showLocalTimes, write } from './dom.ts'
import type { Page } from './page-data.ts'

/** @returns call it with each view; does nothing for one that was called before */
export function createTimeline(): (main: HTMLElement, view: PublicView, page: Page) => void {
  let shown: { main: HTMLElement; view: PublicView; last: TimelineEntry | null } | null = null

  return (main, view, page) => {
    if (shown?.main !== main) shown = { main, view: page.view, last: page.lastEntry }
    const { view: before, last } = shown
    const change = view.version > before.version ? changeOfTimeline(before, view) : null
    shown.view = view
    const list = find(main, 'timeline')
    // The timeline was read after the view, and may be ahead of it.
    if (!change || !list || (last && change.entry.at < last.at)) return
    const { entry, isRepeated } = change
    shown.last = isRepeated && last ? { ...entry, at: last.at } : entry
    const words = describeEntry(entry, last, page)
    const item = list.lastElementChild
    if (isRepeated && item) return write(item.querySelector('.timeline-text'), words.text)
    write(item?.querySelector('.timeline-lasted') ?? null, last && describeLasted(last, entry, page.t))
    list.append(makeItem(words))
    // The first one, the receipt, stays.
    if (list.children.length > MAX_STORED_ENTRIES + 1) list.children[1]?.remove()
    showLocalTimes(main)
  }
}

function makeItem({ at, kind, text }: ReturnType<typeof describeEntry>): HTMLElement {
  const item = document.createElement('li')
  item.className = 'timeline-entry'
  item.dataset.kind = kind
  const time = document.createElement('time')
  time.dateTime = at
  time.dataset.local = 'second'
  const content = make('span', 'timeline-content', '')
  const lasted = make('span', 'timeline-lasted', '')
  lasted.hidden = true
  content.append(make('bdi', 'timeline-text', text), ' ', lasted)
  item.append(time, ' ', content)
  return item
}

function make(tag: string, name: string, text: string): HTMLElement {
  const element = document.createElement(tag)
  element.className = name
  element.textContent = text
  return element
}
