/** How files are to be heard. */

export interface Order {
  /** BCP 47; empty: the engine tells it. */
  language: string;
  /** Empty: the hub's default. */
  provider: string;
  priority: "high" | "normal" | "low";
  /** As typed: with commas or line ends between them. */
  hotwords: string;
  channels: "mix" | "split";
  /** Empty: all. */
  formats: readonly string[];
}

export const PLAIN: Order = { language: "", provider: "", priority: "normal", hotwords: "", channels: "mix", formats: [] };

/** The fields of the form besides the file; those that say nothing are left out. */
export function formFields(order: Order): [string, string][] {
  const fields: [string, string][] = [
    ["language", order.language.trim()],
    ["provider", order.provider],
    ["priority", order.priority === "normal" ? "" : order.priority],
    ["channels", order.channels === "mix" ? "" : order.channels],
    ["formats", order.formats.join(",")],
    ...words(order.hotwords).map((word): [string, string] => ["hotwords", word]),
  ];
  return fields.filter(([, value]) => value !== "");
}

/** Each once, in the order in which they were typed. */
export function words(typed: string): string[] {
  return [...new Set(typed.split(/[,，、\n]/).map((word) => word.trim()))].filter((word) => word !== "");
}
