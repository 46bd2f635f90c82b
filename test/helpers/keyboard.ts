/** Navigates a page by keyboard, and checks that the focus is visible. */
import type { Locator, Page } from 'playwright-core'

const MAX_STOPS = 40

/** Presses `key` until `target` has the focus. Throws when an element on the way does not show its focus. */
export async function tabTo(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  const passed: string[] = []
  for (let i = 0; i < MAX_STOPS; i++) {
    await page.keyboard.press(key)
    const stop = await page.evaluate(describeFocus)
    if (!stop.isVisible) throw new Error(`the focus on ${stop.name} is not visible`)
    passed.push(stop.name)
    if (await hasFocus(target)) return
  }
  throw new Error(`the keyboard does not lead to ${target}, but to ${passed.join(', ')}`)
}

export const hasFocus = (target: Locator): Promise<boolean> =>
  target.evaluate((element) => element === document.activeElement)

function describeFocus(): { name: string; isVisible: boolean } {
  const element = document.activeElement
  // After the last element the focus leaves the page.
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
