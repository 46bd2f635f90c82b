/**
 * Takes the code out of its SMS, where the browser can (WebOTP): the SMS ends with `@host #code`, and the browser asks the
 * person. The code is put into an empty field; the person sends it.
 */

/** Not in TypeScript's library: https://wicg.github.io/web-otp/ */
type OtpRequestOptions = CredentialRequestOptions & { otp: { transport: ['sms'] } }

/** @returns call it on every change: asks once for each prompt, and no longer when the prompt is gone */
export function listenForCodes(main: () => HTMLElement): (promptId: string | null) => void {
  if (!('OTPCredential' in window)) return () => {}
  let asked: string | null = null
  let asking = new AbortController()

  async function ask(signal: AbortSignal): Promise<void> {
    const options: OtpRequestOptions = { otp: { transport: ['sms'] }, signal }
    // Refused by the person, or given up: the code is typed.
    const credential = await navigator.credentials.get(options).catch(() => null)
    const { code } = (credential ?? {}) as { code?: string }
    const field = main().querySelector<HTMLInputElement>('[autocomplete="one-time-code"]')
    if (code && field && field.value === '' && !signal.aborted) field.value = code
  }

  return (promptId) => {
    if (promptId === asked) return
    asking.abort()
    asking = new AbortController()
    asked = promptId
    if (promptId !== null) void ask(asking.signal)
  }
}
