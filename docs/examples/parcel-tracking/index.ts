// parcel-tracking/index.ts
import { defineService } from '../bots/bot-server/define-service.ts'

export const parcelTracking = defineService(
  {
    slug: 'parcel-tracking',
    title: 'Parcel tracking',
    description: 'Asks the carrier where your parcels are.',
    fields: [{ name: 'mobile', type: 'mobile', label: 'Mobile number', hint: '11 digits', example: '09123456789' }],
    steps: [{ id: 'asking', title: 'Ask the carrier', usual_seconds: 20 }],
    result: { headline: 'parcels', fields: [{ name: 'parcels', type: 'number', label: 'Parcels on their way' }] },
  },
  async ({ mobile }, request) => {
    await request.updateProgress(10, 'asking', 'Asking the carrier…')
    const url = `https://carrier.example/parcels?mobile=${mobile}`
    return (await fetch(url, { signal: request.signal })).json()
  },
)
