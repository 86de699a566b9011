/** Hexadecimal digits of a session's public name, as the hub makes it out of the id. */
const DIGITS = 12;

/** By what an operator calls a session. Null where the browser has no digests: on a page that came over plain HTTP. */
export async function publicName(id: string): Promise<string | null> {
  const subtle = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) {
    return null;
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", new TextEncoder().encode(id)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, DIGITS);
}
