import { announceService } from './bench/requests.ts'
await announceService('redis://127.0.0.1:6399')
process.exit(0)
