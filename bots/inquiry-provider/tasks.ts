/** Every task of the services: what the pool and the processors load. */
export * from './services/three-provider-inquiry/tasks.ts'
