// bots/inquiry-provider/services/parcel-tracking/index.ts
import type { CreateHandler } from '../../bot-service.ts'

export const createHandler: CreateHandler = () => async ({ mobile }, request) => {
  await request.updateProgress(10, 'asking', 'Asking the carrier…')
  return (await fetch(`https://carrier.example/parcels?mobile=${mobile}`, { signal: request.signal })).json()
}
