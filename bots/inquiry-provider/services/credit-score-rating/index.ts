import type { CreateHandler } from '../../bot-service.ts'

export const createHandler: CreateHandler = () => async () => ({})
