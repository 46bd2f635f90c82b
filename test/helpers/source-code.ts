/** Splits TypeScript into code and comments, without a parser: enough for the rules of `architecture.test.ts`. */

export interface SourceCode {
  /** The text with comments, strings and regular expressions blanked. Offsets and line numbers stay the same. */
  code: string
  comments: string[]
  /** The first argument of each call whose second one is a function: names of tests, among others. */
  names: string[]
}

/** After one of these a slash starts a regular expression; otherwise it divides. */
const BEFORE_REGEX = /(?:^|[=(,:;!&|?{}[+\-*%~<>^]|\b(?:return|typeof|case|in|of|throw|await|yield))$/
const TOKEN =
  /(?<comment>\/\/.*|\/\*[\s\S]*?\*\/)|(?<string>'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*")|(?<regex>\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*)|(?<template>`)|(?<brace>[{}])|[\s\S]/y

const BEFORE_FUNCTION = /\s*,\s*(?:async\b|\(|function\b|\w+ =>)/y

export function readSourceCode(text: string): SourceCode {
  const comments: string[] = []
  const names: string[] = []
  let code = ''
  /** Open braces since each `${` that is being read. */
  const depths: number[] = []
  let at = 0

  const blank = (part: string): void => {
    code += part.replace(/[^\n]/g, ' ')
    at += part.length
  }
  const readName = (string: string, end: number): void => {
    BEFORE_FUNCTION.lastIndex = end
    if (BEFORE_FUNCTION.test(text)) names.push(string)
  }
  const readTemplate = (): void => {
    const part = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y
    part.lastIndex = at
    const [fixed = ''] = part.exec(text) ?? []
    readName(fixed, at + fixed.length + 1)
    blank(fixed)
    if (text.startsWith('${', at)) {
      blank('${')
      depths.push(0)
    } else blank('`')
  }

  while (at < text.length) {
    TOKEN.lastIndex = at
    const { 0: token, groups = {} } = TOKEN.exec(text) as RegExpExecArray
    if (groups.comment !== undefined) {
      comments.push(token)
      blank(token)
    } else if (groups.string !== undefined) {
      readName(token.slice(1, -1), at + token.length)
      blank(token)
    } else if (groups.template !== undefined) {
      blank(token)
      readTemplate()
    } else if (groups.regex !== undefined && BEFORE_REGEX.test(code.slice(-200).trimEnd())) {
      blank(token)
    } else if (token === '}' && depths.at(-1) === 0) {
      depths.pop()
      blank(token)
      readTemplate()
    } else {
      const inTemplate = depths.at(-1)
      if (inTemplate !== undefined && groups.brace !== undefined)
        depths[depths.length - 1] = inTemplate + (token === '{' ? 1 : -1)
      const [first = ''] = token
      code += first
      at++
    }
  }
  return { code, comments, names }
}

/** Words of an identifier in lower case: `isAskedAgain` and `IS_ASKED_AGAIN` are is, asked, again. */
export const wordsOfIdentifier = (identifier: string): string[] =>
  identifier.split(/_|\$|(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/).map((word) => word.toLowerCase())

const NOT_A_FUNCTION = /^\s*(?:\} )?(?:if|else|for|while|do|switch|try|catch|finally|class)\b/
const FUNCTION_HEADER =
  /\bfunction\b|=>[\s({[]*$|^\s*(?:static |async |get |set |\*)*#?[\w$]+(?:<[^>]*>)?\([\s\S]*\{$/

/** Finds functions by brackets and indentation, in code that Biome has formatted. `line` counts from 1. */
export function findFunctions(code: string): { line: number; lines: number }[] {
  const text = code.split('\n')
  const indent = (line: number): number => (text[line] as string).search(/\S/)
  const opened: number[] = []
  const lengths = new Map<number, number>()
  for (const [end, content] of text.entries()) {
    for (const bracket of content.match(/[{}()[\]]/g) ?? []) {
      if ('{(['.includes(bracket)) {
        opened.push(end)
        continue
      }
      const start = opened.pop()
      if (start === undefined || start === end || !/^\s*[})\]]/.test(content)) continue
      // The header may begin further up, with parameters on lines of their own. It contains no empty line.
      let first = start
      while (text[first] && (indent(first) !== indent(end) || /^\s*[})\]]/.test(text[first] ?? ''))) first--
      const header = text
        .slice(first, start + 1)
        .join('\n')
        .trimEnd()
      if (!text[first] || NOT_A_FUNCTION.test(header) || !FUNCTION_HEADER.test(header)) continue
      lengths.set(first, Math.max(end - first + 1, lengths.get(first) ?? 0))
    }
  }
  return [...lengths].map(([first, lines]) => ({ line: first + 1, lines }))
}
