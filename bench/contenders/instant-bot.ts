/** Stands for the bots where the rest is measured: it is done with every request at once. */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { listenForBench } from '../measure/listen.ts'
import { machineMs } from '../measure/machine-clock.ts'

const ANSWER = '{"status":"success","code":"OK","message":"","data":{}}'

/** When the first byte for each hash arrived. */
let calls: Record<string, number> = {}

const server = createServer(async (req, res) => {
  const arrived = machineMs()
  const { requestHash } = JSON.parse(await text(req))
  calls[requestHash] ??= arrived
  res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length }).end(ANSWER)
})
// No call meets a connection that is just being closed for idleness.
server.keepAliveTimeout = 120_000
await listenForBench(server, {
  /** Those since it was asked last. */
  calls() {
    const since = calls
    calls = {}
    return since
  },
})
