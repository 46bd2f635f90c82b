/**
 * People whose pages ask how their request stands, again and again at an even pace, on connections that they keep open.
 * (A load generator asks as fast as it can, or everything that a second allows at its beginning: that is another load.)
 */
import { Agent, get } from 'node:http'
import { ready } from '../measure/meter.ts'
import { type Pace, pace } from '../measure/pace.ts'

const AT_ONCE = 100
let agents: Agent[] = []
/** Whom, and of which requests, which take turns. */
let asked: { url: string; hashes: string[] }

function ask(url: string, hash: string | undefined, agent: Agent | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    get(`${url}/api/local-requests/${hash}/status`, { agent }, (res) => {
      if (res.statusCode !== 200) reject(new Error(`the answer was ${res.statusCode}`))
      res.once('end', resolve).resume()
    }).once('error', reject)
  })
}

/** Opens the connections, each by an answer. They are kept for as long as nobody waits for seconds. */
async function connect(url: string, hashes: string[], connections: number): Promise<void> {
  asked = { url, hashes }
  agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  for (let from = 0; from < connections; from += AT_ONCE)
    await Promise.all(agents.slice(from, from + AT_ONCE).map((agent) => ask(url, hashes[0], agent)))
}

/** @returns how many answers there were */
async function poll(at: Pace): Promise<number> {
  const { url, hashes } = asked
  const answers: Promise<void>[] = []
  await pace(at, () => {
    const turn = answers.length
    answers.push(ask(url, hashes[turn % hashes.length], agents[turn % agents.length]))
  })
  await Promise.all(answers)
  return answers.length
}

ready({ connect, poll })
