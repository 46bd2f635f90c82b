/** The JSON Schema of service definitions, for editors. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { serviceSchema } from '../core/catalog/service-definition.ts'
import { definitions } from './helpers/services.ts'

const schema = {
  title: 'A service of Halfway',
  ...z.toJSONSchema(serviceSchema, { io: 'input', unrepresentable: 'any' }),
}

test('service.schema.json is what the code accepts; `npx vitest run test/service-schema.test.ts -u` writes it', async () => {
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../service.schema.json')
})

test('a definition may name its schema, which is no part of the service', () => {
  const [first] = definitions
  expect(serviceSchema.parse({ ...first, $schema: '../service.schema.json' })).toEqual(
    serviceSchema.parse(first),
  )
})
