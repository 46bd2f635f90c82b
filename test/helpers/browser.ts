/** A real Chromium, when the machine has one: Debian's package, or what CHROMIUM_PATH names. */
import { existsSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

export const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
export const hasChromium = existsSync(CHROMIUM)

// Without its background services: they would look for hosts that are nobody's business here.
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const startChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, args: FLAGS })

/** What went wrong on a page without anybody seeing it, and whom it talked to. */
export interface Overheard {
  errors: string[]
  hosts: Set<string>
}

export function overhear(page: Page): Overheard {
  const heard: Overheard = { errors: [], hosts: new Set() }
  page.on('pageerror', (error) => heard.errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') heard.errors.push(message.text())
  })
  page.on('request', (request) => heard.hosts.add(new URL(request.url()).host))
  page.on('websocket', (socket) => heard.hosts.add(new URL(socket.url()).host))
  return heard
}
