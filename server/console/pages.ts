/** The pages of the console as a function from an address to HTML; the same for a call and for a stream that watches it. */
import { type ConsoleTexts, createConsoleTexts } from '../../core/i18n/console-texts.ts'
import { createPageWriter, type PageContext, type PageFrame } from '../pages/page-writer.ts'
import { escapeHtml } from '../pages/templates.ts'
import type { SiteLook } from '../site/site.ts'
import type { Operator } from './access.ts'
import type { ReadContent } from './contents.ts'

export interface ConsolePages {
  /** Null and errors as of `ReadContent`. */
  render(context: PageContext, operator: Operator, mayShare?: boolean): Promise<string | null>
  signIn(context: PageContext, isWrong: boolean): string
  answer(context: PageContext, operator: Operator, answer: ActionAnswer): string
}

/** What was done of an action on several requests. */
export interface ActionAnswer {
  heading: string
  /** References, and those of the new requests. */
  done: { reference: string; as: string | null }[]
  refused: { reference: string; words: string }[]
  note: string | null
  back: string
}

const FRAME = { isPrivate: true, style: 'console.css', layout: 'console' } as const

export function createConsolePages({
  readContent,
  asset,
  site,
  ...options
}: {
  readContent: ReadContent
  asset: (name: string) => string
  site: SiteLook
  /** Whether operators sign in with a form, and so may sign out. */
  mayLeave: boolean
}): ConsolePages {
  const templates = [`${import.meta.dirname}/templates`]
  const write = createPageWriter({ asset, site, textsOf: createConsoleTexts, templates })

  function page(
    context: PageContext,
    { who, formToken }: Operator,
    { template, title, content }: { template: string; title: string; content: object },
  ): string {
    const frame: PageFrame = { ...FRAME, title, script: 'console.js' }
    const nav = navOf(createConsoleTexts(context.locale), context.address)
    return write(template, context, frame, { nav, who, formToken, text: escapeHtml, ...options, ...content })
  }

  return {
    async render(context, operator, mayShare = false) {
      const address = new URL(context.address, 'http://console')
      const content = await readContent(address, createConsoleTexts(context.locale), mayShare)
      return content && page(context, operator, content)
    },
    signIn: (context, isWrong) => {
      const title = createConsoleTexts(context.locale).t('console.sign_in')
      return write('console-sign-in', context, { ...FRAME, title }, { isWrong })
    },
    answer: (context, operator, answer) =>
      page(context, operator, { template: 'console-answer', title: answer.heading, content: { answer } }),
  }
}

function navOf({ t }: ConsoleTexts, address: string) {
  const [path] = address.split('?')
  return (['now', 'requests', 'failed', 'queues', 'audit'] as const).map((name) => {
    const href = name === 'now' ? '/admin' : `/admin/${name}`
    return { href, text: t(`console.${name}`), isCurrent: path === href }
  })
}
