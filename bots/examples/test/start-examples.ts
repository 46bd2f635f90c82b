/** Starts Halfway with the examples, as `npm start` does, and a fast demo portal on a free port. */
import { freePort } from '../../../core/redis/local-server.ts'
import { eventually } from '../../../test/helpers/eventually.ts'
import { type Halfway, startHalfway } from '../../../test/helpers/halfway.ts'
import { newestCode } from './local-portal.ts'

export interface ExampleHalfway extends Halfway {
  portalUrl: string
}

/** @param settings environment on top of that of `startHalfway` */
export async function startExamples(settings: NodeJS.ProcessEnv = {}): Promise<ExampleHalfway> {
  const portalPort = String(await freePort())
  const portal = {
    DEMO_PORTAL_PORT: portalPort,
    DEMO_PORTAL_SPEED: '40',
    LINK_CHECK_ALLOW_PRIVATE: 'true',
    LINK_CHECK_REQUESTS_PER_SECOND: '1000',
  }
  const halfway = await startHalfway({ ...portal, ...settings }, { args: [] })
  const portalUrl = `http://127.0.0.1:${portalPort}`
  return {
    ...halfway,
    portalUrl,
    codeSentTo: (mobile) =>
      eventually(
        async () => {
          const code = await newestCode(portalUrl, mobile)
          if (!code) throw new Error('no code yet')
          return code
        },
        { withinMs: 30_000, everyMs: 50 },
      ),
  }
}
