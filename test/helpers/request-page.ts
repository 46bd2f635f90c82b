/** Locators for the parts of a request's page. */
import type { Page } from 'playwright-core'
import { at } from '../server/page-browser.ts'

export const live = (page: Page, name: string) => page.locator(`[data-live=${name}]`)
export const code = (page: Page) => page.locator('input[name=otp]')
export const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name })
export const shows = (page: Page, percent: number): Promise<void> =>
  live(page, 'percent')
    .filter({ hasText: `${percent}%` })
    .waitFor()
/** Trouble is shown on top of the page. */
export const isConnected = (page: Page, state: string): Promise<void> =>
  page.locator(`:is([data-live=connection], [data-live=banner])[data-state=${state}]:visible`).waitFor()
export const progressUrl = (hash: string, server: string): string => server + at('progress', hash)

/** Opens the page and waits until it is live. */
export async function watchAt(server: string, hash: string, page: Page): Promise<void> {
  await page.goto(progressUrl(hash, server))
  await isConnected(page, 'live')
}

export async function typeCode(page: Page): Promise<void> {
  await code(page).fill('123456')
  await page.keyboard.press('Enter')
}
