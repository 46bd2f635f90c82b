/** All tasks of the services: the module that the pool and the processors load. */
export * from './services/three-provider-inquiry/tasks.ts'
