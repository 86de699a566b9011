/** As a sentence begins: the hub's own messages begin small. */
export function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
