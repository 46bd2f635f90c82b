/** Copied beside the bundles. `node --require …/run-bundled.cjs server/main.ts` runs the bundle of that file. */
const Module = require('node:module')
const { join, relative } = require('node:path')

const { runMain } = Module
Module.runMain = (main) => runMain(join(__dirname, relative(process.cwd(), main).replace(/\.ts$/, '.mjs')))
