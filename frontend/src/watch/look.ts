/** How captions look, as the address says: `#/captions/ID?size=64&lines=2&colour=ffee88&shadow=0&align=left`. */

export interface Look {
  /** Pixels of one letter; null: as the window is wide. */
  size: number | null;
  lines: number;
  /** CSS; null: white. */
  colour: string | null;
  shadow: boolean;
  align: "left" | "center" | "right";
}

export const USUAL: Look = { size: null, lines: 2, colour: null, shadow: true, align: "center" };

export function lookOf(hash: string): Look {
  const asked = new URLSearchParams(hash.split("?")[1] ?? "");
  const colour = asked.get("colour") ?? asked.get("color");
  const align = asked.get("align");
  return {
    size: within(asked.get("size"), 8, 400),
    lines: within(asked.get("lines"), 1, 10) ?? USUAL.lines,
    colour: colour !== null && /^([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i.test(colour) ? `#${colour}` : named(colour),
    shadow: !["0", "no", "false", "off"].includes(asked.get("shadow") ?? ""),
    align: align === "left" || align === "right" ? align : "center",
  };
}

function within(text: string | null, least: number, most: number): number | null {
  const value = Number(text ?? NaN);
  return Number.isFinite(value) ? Math.min(most, Math.max(least, Math.round(value))) : null;
}

function named(colour: string | null): string | null {
  return colour !== null && /^[a-z]{3,20}$/i.test(colour) ? colour : null;
}
