/** Going through a page by keyboard alone, as somebody does who sees where they are. */
import type { Locator, Page } from 'playwright-core'

const MAX_STOPS = 40

/** Presses Tab, or what `key` says, until `target` has the focus. Every stop on the way must show that it has it. */
export async function tabTo(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  const passed: string[] = []
  for (let i = 0; i < MAX_STOPS; i++) {
    await page.keyboard.press(key)
    const stop = await page.evaluate(describeFocus)
    if (!stop.isVisible) throw new Error(`nobody sees that the focus is on ${stop.name}`)
    passed.push(stop.name)
    if (await hasFocus(target)) return
  }
  throw new Error(`the keyboard does not lead to ${target}, but to ${passed.join(', ')}`)
}

export const hasFocus = (target: Locator): Promise<boolean> =>
  target.evaluate((element) => element === document.activeElement)

function describeFocus(): { name: string; isVisible: boolean } {
  const element = document.activeElement
  // After the last element comes the browser's own frame.
  if (!element || element === document.body) return { name: 'the browser', isVisible: true }
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element)
  const hasOutline = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0
  const { top, bottom, left, right } = element.getBoundingClientRect()
  const isInside = bottom > 0 && right > 0 && top < innerHeight && left < innerWidth
  return {
    name: `${element.localName} "${element.textContent?.trim() || element.getAttribute('name')}"`,
    isVisible: element.matches(':focus-visible') && (hasOutline || boxShadow !== 'none') && isInside,
  }
}
