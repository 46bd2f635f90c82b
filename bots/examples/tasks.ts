/** All tasks of the services: the module that the pool and the processors load. */
export * from './three-provider-inquiry/tasks.ts'
