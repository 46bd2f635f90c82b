/** `services`: the services, and closing and opening them. */
import { SILENT_AFTER_MS } from '../../core/store/service-registry.ts'
import { audited } from '../audited.ts'
import type { Installation } from '../installation.ts'
import { type Styled, styled } from '../layout.ts'
import { type Context, duration, EXIT, type ExitCode } from '../terminal.ts'

export async function listServices(
  context: Context,
  { catalog, controls, registry, now }: Installation,
): Promise<ExitCode> {
  const [{ closed, held }, lastAnnounced] = await Promise.all([controls.read(), registry.lastAnnounced()])
  const services = catalog.all().map(({ slug, queue }) => {
    const announced = [...lastAnnounced].filter(([member]) => member.startsWith(`${slug} `))
    const times = announced.map(([, at]) => at)
    return {
      service: slug,
      queue: queue.name,
      state: (closed.has(slug)
        ? 'closed'
        : held.has(queue.name)
          ? 'held'
          : 'open') as keyof typeof STATE_STYLES,
      closed: closed.get(slug) ?? null,
      bots: times.filter((at) => now() - at < SILENT_AFTER_MS).length,
      seconds_since_announced: times.length === 0 ? null : Math.round((now() - Math.max(...times)) / 1000),
    }
  })
  if (context.json) context.printJson(services)
  else if (services.length === 0) context.print('No bot has announced a service.')
  else {
    const rows = services.map((one) => [
      one.service,
      one.queue,
      styledState(one.state, one.closed?.by === 'failures' ? `closed: ${one.closed.code}` : one.state),
      one.bots,
      one.seconds_since_announced === null ? null : `${duration(one.seconds_since_announced)} ago`,
      one.closed?.message ?? null,
    ])
    const heading = ['SERVICE', 'QUEUE', 'STATE', 'BOTS', 'ANNOUNCED', 'WORDS']
    context.printTable([heading, ...rows], ['ANNOUNCED'])
  }
  return EXIT.done
}

const STATE_STYLES = { closed: 'red', held: 'yellow', open: 'green' } as const
const styledState = (state: keyof typeof STATE_STYLES, text: string): Styled =>
  styled(STATE_STYLES[state], text)

export async function closeService(
  context: Context,
  installation: Installation,
  slug: string,
  { message }: { message?: string },
): Promise<ExitCode> {
  await audited(installation, { action: 'close', service: slug }, () =>
    installation.operate.close(slug, message),
  )
  const sentence = `Closed ${slug}: no request is accepted. Those that exist go on.`
  context.printDone({ service: slug, closed: true }, sentence)
  return EXIT.done
}

export async function openService(
  context: Context,
  installation: Installation,
  slug: string,
): Promise<ExitCode> {
  await audited(installation, { action: 'open', service: slug }, () => installation.operate.open(slug))
  context.printDone({ service: slug, closed: false }, `Opened ${slug}.`)
  return EXIT.done
}
