/** Which tab a session belongs to: a tab that is duplicated brings what the other keeps, and must leave it alone. */

/** Milliseconds in which the page before a reload lets go. */
const PATIENCE = 1_500;

let claimed: string | undefined;
let letGo = (): void => undefined;

/** Hold this session, and no other, as long as the page lives. False where another tab holds it. */
export async function claim(session: string): Promise<boolean> {
  if (session === claimed) {
    return true;
  }
  letGo();
  const { locks } = navigator as { locks?: LockManager };
  if (locks === undefined) {
    // A page that came over plain HTTP. It has no microphone, either.
    return true;
  }
  return new Promise((resolve) => {
    const patience = new AbortController();
    // Held by its timer: a signal that counts for itself may be collected before its time is up.
    const timer = setTimeout(() => {
      resolve(false);
      patience.abort();
    }, PATIENCE);
    const held = (): Promise<void> => {
      clearTimeout(timer);
      claimed = session;
      resolve(true);
      return new Promise((done) => (letGo = done));
    };
    locks.request(`asr-hub-live ${session}`, { signal: patience.signal }, held).catch(() => resolve(false));
  });
}
