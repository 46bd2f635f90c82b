/** Loads and compiles the templates of a folder and of this one. They escape values, except in `<%~ %>`. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Eta } from 'eta'

const FOLDER = join(import.meta.dirname, 'templates')

export type Render = (template: string, data: object) => string

export function loadTemplates(more: readonly string[] = []): Render {
  const eta = new Eta({ autoTrim: ['nl', false] })
  for (const folder of [FOLDER, ...more])
    for (const file of readdirSync(folder)) {
      if (file.endsWith('.eta'))
        eta.loadTemplate(`@${basename(file, '.eta')}`, readFileSync(join(folder, file), 'utf8'))
    }
  return (template, data) => eta.render(`@${template}`, data)
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]!)
