import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createPausableTimeout } from '../../workers/pausable-timeout.ts'

describe('a stopwatch', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const start = (limitMs: number) => {
    const over = vi.fn()
    return { over, ...createPausableTimeout(limitMs, over) }
  }

  test('runs from the start and calls once its time is over', () => {
    const { over } = start(1000)
    vi.advanceTimersByTime(999)
    expect(over).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(over).toHaveBeenCalledOnce()
  })

  test('stands still while paused, however long', () => {
    const { over, pause, resume } = start(1000)
    vi.advanceTimersByTime(600)
    pause()
    vi.advanceTimersByTime(3_600_000)
    resume()
    vi.advanceTimersByTime(399)
    expect(over).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(over).toHaveBeenCalledOnce()
  })

  test('counts every stretch between pauses', () => {
    const { over, pause, resume } = start(1000)
    for (let stretch = 0; stretch < 4; stretch++) {
      vi.advanceTimersByTime(240)
      pause()
      vi.advanceTimersByTime(5000)
      resume()
    }
    vi.advanceTimersByTime(39)
    expect(over).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(over).toHaveBeenCalledOnce()
  })

  test('takes a second pause or resume as one', () => {
    const { over, pause, resume } = start(1000)
    resume()
    vi.advanceTimersByTime(500)
    pause()
    vi.advanceTimersByTime(500)
    pause()
    vi.advanceTimersByTime(500)
    resume()
    resume()
    vi.advanceTimersByTime(499)
    expect(over).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(over).toHaveBeenCalledOnce()
  })

  test('calls no second time, whatever comes after its time', () => {
    const { over, pause, resume } = start(1000)
    vi.advanceTimersByTime(1000)
    pause()
    resume()
    vi.advanceTimersByTime(10_000)
    expect(over).toHaveBeenCalledOnce()
  })

  test('is quiet for good once stopped', () => {
    const { over, stop, resume } = start(1000)
    stop()
    resume()
    vi.advanceTimersByTime(10_000)
    expect(over).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})
