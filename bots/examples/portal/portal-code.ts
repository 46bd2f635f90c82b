/** Length and validity of the codes that the portal sends by SMS. */
export const CODE_LENGTH = 6
export const CODE_SECONDS = 120

/** Leaves enough of a number for its owner to recognize it. */
export const maskMobile = (mobile: string): string => `${mobile.slice(0, 4)}***${mobile.slice(-4)}`
