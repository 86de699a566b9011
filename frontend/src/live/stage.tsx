/** The sound as it is heard, drawn past React: it changes twenty times a second. */

import { useEffect, useRef } from "react";

import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";
import { COLUMN, COLUMNS, loudness, RATE, type Wave } from "./wave.js";

/** Columns of one second. */
const SECOND = RATE / COLUMN;

/** Milliseconds of one column. */
const STEP = 1000 / SECOND;

export function Waveform({ wave }: { wave: Wave }) {
  const t = useText(live);
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    return canvas === null ? undefined : onFrame(wave, () => draw(canvas, wave));
  }, [wave]);
  return (
    <figure className="live-wave">
      <canvas ref={ref} role="img" aria-label={t("wave")} />
      <figcaption>
        <span className="live-key live-key-speech">{t("waveSpeech")}</span>
        <span className="live-key live-key-wake">{t("waveWake")}</span>
      </figcaption>
    </figure>
  );
}

export function Level({ wave }: { wave: Wave }) {
  const t = useText(live);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      onFrame(wave, () => {
        const part = Math.round(loudness(wave.levelDb) * 100);
        const meter = ref.current;
        meter?.style.setProperty("--level", `${part}%`);
        meter?.setAttribute("aria-valuenow", String(part));
        meter?.setAttribute("aria-valuetext", t("levelDb", { db: Math.round(wave.levelDb) }));
      }),
    [wave, t],
  );
  return <div ref={ref} className="live-level" role="meter" aria-label={t("level")} aria-valuemin={0} aria-valuemax={100} aria-valuenow={0} />;
}

/** Draws when something changed: the sound, the size, or the theme. */
function onFrame(wave: Wave, render: () => void): () => void {
  let seen = -1;
  let look = "";
  let frame = 0;
  const step = (): void => {
    const now = `${innerWidth} ${document.documentElement.dataset["theme"] ?? ""} ${String(dark.matches)}`;
    if (wave.version !== seen || now !== look) {
      seen = wave.version;
      look = now;
      render();
    }
    frame = requestAnimationFrame(step);
  };
  frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(frame);
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function draw(canvas: HTMLCanvasElement, wave: Wave): void {
  const context = canvas.getContext("2d");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (context === null || width === 0) {
    return;
  }
  const density = devicePixelRatio;
  const [pixelWidth, pixelHeight] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  // The newest column is at the right edge.
  const first = Math.max(0, wave.columns - COLUMNS);
  const scale = width / COLUMNS;
  const x = (milliseconds: number): number => (milliseconds / STEP - first) * scale;

  context.fillStyle = colour("--accent-soft");
  for (const { start, end } of wave.speech) {
    const to = end ?? wave.columns * STEP;
    if (x(to) >= 0) {
      context.fillRect(Math.max(0, x(start)), 0, Math.max(1, x(to) - Math.max(0, x(start))), height);
    }
  }
  context.fillStyle = colour("--line");
  for (let second = Math.ceil(first / SECOND); second * SECOND < first + COLUMNS; second += 1) {
    context.fillRect((second * SECOND - first) * scale, height - 5, 1, 5);
  }
  context.fillStyle = colour("--line-strong");
  context.fillRect(0, height / 2, width, 1);
  drawPeaks(context, wave, first, { scale, height, sound: colour("--ink-soft"), voice: colour("--accent") });
  context.fillStyle = colour("--accent");
  for (const { start, end } of wave.speech) {
    for (const edge of end === undefined ? [start] : [start, end]) {
      context.fillRect(x(edge), 0, 1.5, height);
    }
  }
  context.font = `600 12px ${style.fontFamily}`;
  for (const { at, phrase } of wave.wakes) {
    context.fillStyle = colour("--series-1");
    context.fillRect(x(at), 0, 2, height);
    context.fillText(phrase, Math.max(4, x(at) + 5), 14);
  }
}

interface Look {
  scale: number;
  height: number;
  sound: string;
  voice: string;
}

function drawPeaks(context: CanvasRenderingContext2D, wave: Wave, first: number, { scale, height, sound, voice }: Look): void {
  let stretch = 0;
  for (let column = first; column < wave.columns; column += 1) {
    const at = column * STEP;
    while (stretch < wave.speech.length && (wave.speech[stretch]?.end ?? Infinity) < at) {
      stretch += 1;
    }
    const isSpeech = (wave.speech[stretch]?.start ?? Infinity) <= at;
    // A root, so that quiet speech can be seen.
    const half = Math.max(0.75, Math.sqrt(wave.peak(column)) * (height / 2 - 4));
    context.fillStyle = isSpeech ? voice : sound;
    context.fillRect((column - first) * scale, height / 2 - half, Math.max(1, scale * 0.7), 2 * half);
  }
}
