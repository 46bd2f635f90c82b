/** The codes that the portal sends by SMS, as it announces them. */
export const CODE_LENGTH = 6
export const CODE_SECONDS = 120

/** Enough of a number for its owner to know it by. */
export const maskMobile = (mobile: string): string => `${mobile.slice(0, 4)}***${mobile.slice(-4)}`
