/** Option parsing that all command lines share. */
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { StartupError } from './startup-error.ts'

/** 24 days: a timer of Node longer than 24.8 days fires immediately. */
export const MAX_TIMER_SECONDS = 24 * 86_400

/** How the command is typed: with the package, whose files are compiled, or in the repository. */
export const commandName = (inRepository: string, ofPackage: string): string =>
  import.meta.url.endsWith('.ts') ? inRepository : ofPackage

/** @returns a parser of an option's value, which throws InvalidArgumentError */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    return value
  }

/**
 * Parses the command line of a process.
 *
 * @param args without the names of program and file
 * @returns null when `--help` was given, whose text has been written
 * @throws StartupError naming what is wrong
 */
export function parseArguments(command: Command, args: readonly string[]): Command | null {
  command
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  try {
    return command.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return null
    throw new StartupError(`${error.message.replace(/^error: /, '')} (see --help)`)
  }
}

/** As parseArguments, of a process that takes options only. */
export const parseOptions = <Options extends object>(
  command: Command,
  args: readonly string[],
): Options | null => parseArguments(command, args)?.opts<Options>() ?? null
