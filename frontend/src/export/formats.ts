/** What was said, as the files that other programs read. */

/** One stretch of speech. */
export interface Cue {
  /** Milliseconds. */
  start: number;
  end: number;
  text: string;
  speaker?: string | null;
  words?: readonly Timed[];
}

interface Timed {
  text: string;
  start: number;
  end: number;
  confidence?: number | null;
}

export const FORMATS = ["txt", "srt", "vtt", "json"] as const;

export type Format = (typeof FORMATS)[number];

export const MEDIA: Readonly<Record<Format, string>> = {
  txt: "text/plain",
  srt: "application/x-subrip",
  vtt: "text/vtt",
  json: "application/json",
};

/** Characters of one line of a subtitle, and lines at a time. */
const WIDTH = 42;
const HEIGHT = 2;

export function written(format: Format, cues: readonly Cue[]): string {
  switch (format) {
    case "txt":
      return cues.map((cue) => `${said(cue)}\n`).join("");
    case "srt":
      return shown(cues)
        .map((cue, index) => `${index + 1}\n${stamp(cue.start, ",")} --> ${stamp(cue.end, ",")}\n${wrapped(said(cue))}\n`)
        .join("\n");
    case "vtt":
      return ["WEBVTT\n", ...shown(cues).map((cue) => `${stamp(cue.start, ".")} --> ${stamp(cue.end, ".")}\n${voice(cue)}\n`)].join("\n");
    case "json":
      return `${JSON.stringify({ cues: cues.map(plain) }, null, 2)}\n`;
  }
}

/** 3723004 is `01:02:03,004` with a comma. */
export function stamp(milliseconds: number, point: "," | "."): string {
  const all = Math.max(0, Math.round(milliseconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const seconds = Math.floor(all / 1000);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(":");
  return `${clock}${point}${String(all % 1000).padStart(3, "0")}`;
}

function said({ text, speaker }: Cue): string {
  return speaker ? `${speaker}: ${oneLine(text)}` : oneLine(text);
}

/** An empty line would end a cue. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function voice({ text, speaker }: Cue): string {
  const words = escaped(wrapped(oneLine(text)));
  return speaker ? `<v ${escaped(oneLine(speaker))}>${words}</v>` : words;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Cues that can be read while they stand: long ones are cut between words, where it is known when those were said. */
function shown(cues: readonly Cue[]): Cue[] {
  return cues
    .filter(({ text }) => oneLine(text) !== "")
    .flatMap(cut)
    .map((cue) => ({ ...cue, end: Math.max(cue.end, cue.start + 1) }));
}

function cut(cue: Cue): Cue[] {
  const { words = [] } = cue;
  const isWhole = words.map(({ text }) => text).join(" ") === oneLine(cue.text);
  if (cue.text.length <= WIDTH * HEIGHT || !isWhole) {
    return [cue];
  }
  const parts: Timed[][] = [[]];
  for (const word of words) {
    const last = parts.at(-1) ?? [];
    if (last.length > 0 && textOf([...last, word]).length > WIDTH * HEIGHT) {
      parts.push([word]);
    } else {
      last.push(word);
    }
  }
  return parts.map((part) => ({
    ...cue,
    start: part[0]?.start ?? cue.start,
    end: part.at(-1)?.end ?? cue.end,
    text: textOf(part),
    words: part,
  }));
}

function textOf(words: readonly Timed[]): string {
  return words.map(({ text }) => text).join(" ");
}

/** Broken at spaces; what has none stays whole. */
function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + 1 + word.length > WIDTH) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
    }
  }
  return lines.join("\n");
}

function plain({ start, end, text, speaker, words = [] }: Cue): Record<string, unknown> {
  return { start_ms: start, end_ms: end, text, ...(speaker && { speaker }), ...(words.length > 0 && { words }) };
}
