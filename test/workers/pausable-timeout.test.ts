import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createPausableTimeout } from '../../workers/pausable-timeout.ts'

describe('createPausableTimeout', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const start = (limitMs: number) => {
    const onTimeout = vi.fn()
    return { onTimeout, ...createPausableTimeout(limitMs, onTimeout) }
  }

  test('a pausable timeout starts immediately and fires after its limit', () => {
    const { onTimeout } = start(1000)
    vi.advanceTimersByTime(999)
    expect(onTimeout).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onTimeout).toHaveBeenCalledOnce()
  })

  test('a paused timeout does not advance', () => {
    const { onTimeout, pause, resume } = start(1000)
    vi.advanceTimersByTime(600)
    pause()
    vi.advanceTimersByTime(3_600_000)
    resume()
    vi.advanceTimersByTime(399)
    expect(onTimeout).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onTimeout).toHaveBeenCalledOnce()
  })

  test('a pausable timeout adds up the time between pauses', () => {
    const { onTimeout, pause, resume } = start(1000)
    for (let interval = 0; interval < 4; interval++) {
      vi.advanceTimersByTime(240)
      pause()
      vi.advanceTimersByTime(5000)
      resume()
    }
    vi.advanceTimersByTime(39)
    expect(onTimeout).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onTimeout).toHaveBeenCalledOnce()
  })

  test('a repeated pause or resume changes nothing', () => {
    const { onTimeout, pause, resume } = start(1000)
    resume()
    vi.advanceTimersByTime(500)
    pause()
    vi.advanceTimersByTime(500)
    pause()
    vi.advanceTimersByTime(500)
    resume()
    resume()
    vi.advanceTimersByTime(499)
    expect(onTimeout).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onTimeout).toHaveBeenCalledOnce()
  })

  test('a pausable timeout fires once, also when paused and resumed afterwards', () => {
    const { onTimeout, pause, resume } = start(1000)
    vi.advanceTimersByTime(1000)
    pause()
    resume()
    vi.advanceTimersByTime(10_000)
    expect(onTimeout).toHaveBeenCalledOnce()
  })

  test('a stopped timeout never fires and leaves no timer', () => {
    const { onTimeout, stop, resume } = start(1000)
    stop()
    resume()
    vi.advanceTimersByTime(10_000)
    expect(onTimeout).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})
