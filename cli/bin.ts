#!/usr/bin/env node
/**
 * The command of the package: `halfway server` and the other processes run in this process, so that a signal to it is a signal
 * to them. Everything else is a command of the operators' command line.
 */
import { extname } from 'node:path'

const PROCESSES: ReadonlyMap<string, string> = new Map([
  ['start', '../start'],
  ['server', '../server/main'],
  ['workers', '../workers/main'],
  ['bridge', '../bridge/main'],
  ['bots', '../bots/service-folder/main'],
  ['processor', '../bots/concurrency-processor/main'],
])

const main = PROCESSES.get(process.argv[2] ?? '')
// The process parses the remaining arguments itself.
if (main) process.argv.splice(2, 1)
// In the package all files are compiled, as this one is.
await import(new URL(`${main ?? './main'}${extname(import.meta.url)}`, import.meta.url).href)
