/** Host names that browsers of tests resolve to this machine. Not secure contexts, unlike `localhost` and 127.0.0.1. */
export const HOSTS = { own: 'some-name', foreign: 'other-name' } as const
