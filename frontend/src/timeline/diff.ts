/** What is different between two states. */

export interface Change {
  /** The names on the way to it. */
  path: readonly string[];
  /** Undefined where it was not there. */
  before: unknown;
  /** Undefined where it is gone. */
  after: unknown;
}

/** More are not looked for. */
export const MOST_CHANGES = 400;

/** Each smallest part that differs, in the order of the newer state; what is gone comes after. */
export function diff(before: unknown, after: unknown): Change[] {
  const found: Change[] = [];
  compare(before, after, [], found);
  return found;
}

function compare(before: unknown, after: unknown, path: readonly string[], found: Change[]): void {
  if (found.length >= MOST_CHANGES || Object.is(before, after)) {
    return;
  }
  const [left, right] = [parts(before), parts(after)];
  if (left === null || right === null || Array.isArray(before) !== Array.isArray(after)) {
    found.push({ path, before, after });
    return;
  }
  for (const name of Object.keys(right)) {
    compare(left[name], right[name], [...path, name], found);
  }
  for (const name of Object.keys(left)) {
    if (!Object.hasOwn(right, name)) {
      compare(left[name], undefined, [...path, name], found);
    }
  }
}

/** The parts of an object or of an array by their names; null for what has none. */
export function parts(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
}

/** All that a change lies below, and itself, as `a/b/c`. */
export function touched(changes: readonly Change[]): ReadonlyMap<string, Change | null> {
  const found = new Map<string, Change | null>();
  for (const change of changes) {
    for (let depth = 0; depth < change.path.length; depth += 1) {
      const above = key(change.path.slice(0, depth));
      if (!found.has(above)) {
        found.set(above, null);
      }
    }
    found.set(key(change.path), change);
  }
  return found;
}

export function key(path: readonly string[]): string {
  return path.map((name) => name.replaceAll("~", "~0").replaceAll("/", "~1")).join("/");
}
