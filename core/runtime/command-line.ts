/** What command lines have in common. */
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { StartupError } from './startup-error.ts'

/** 24 days: a timer of Node's that is set for 25 goes off at once. */
export const LONGEST_SECONDS = 24 * 86_400

/** Reads an option's value. @throws InvalidArgumentError */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    return value
  }

/**
 * The options of a process that takes nothing else.
 *
 * @param args without the names of program and file
 * @returns null when only help was asked for, which has been written
 * @throws StartupError saying what is wrong
 */
export function parseOptions<Options extends object>(
  command: Command,
  args: readonly string[],
): Options | null {
  command
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  try {
    return command.parse(args, { from: 'user' }).opts<Options>()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    throw new StartupError(`${error.message.replace(/^error: /, '')} (--help tells all)`)
  }
}
