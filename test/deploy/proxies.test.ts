/** The samples for nginx and HAProxy are accepted by their programs, without a warning. */
import { expect, it } from 'vitest'
import { checkProxy, missingFor, PROXIES } from './proxies.ts'

for (const name of PROXIES) {
  const missing = missingFor(name)
  it.skipIf(missing)(`${name} accepts its sample (needs ${missing ?? name})`, async () => {
    await expect(
      checkProxy(name, ['http://127.0.0.1:3100', 'http://127.0.0.1:3101']),
    ).resolves.toBeUndefined()
  })
}
