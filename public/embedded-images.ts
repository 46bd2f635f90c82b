/**
 * Loads images by script: browsers show no image of another site that is for that site only, and send no owner token where
 * the server requires one.
 */

/**
 * Keeps the browser from loading an image by itself, from the host page's address. Firefox loads it as soon as it belongs
 * to the document of the host page.
 */
export function holdImages(main: HTMLElement): void {
  for (const image of main.querySelectorAll('img[src]')) {
    image.setAttribute('data-src', image.getAttribute('src') ?? '')
    image.removeAttribute('src')
  }
}

export async function loadImages(
  main: HTMLElement,
  server: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const images = [...main.querySelectorAll<HTMLImageElement>('img[data-src]')]
  await Promise.all(images.map(load))

  async function load(image: HTMLImageElement): Promise<void> {
    const address = new URL(image.dataset.src ?? '', server)
    const response = await fetch(address, { headers, signal }).catch(() => null)
    // Without it the alternative text is shown.
    if (!response?.ok) return
    const url = URL.createObjectURL(await response.blob())
    image.onload = image.onerror = () => URL.revokeObjectURL(url)
    image.src = url
  }
}
