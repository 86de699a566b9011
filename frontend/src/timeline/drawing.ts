/** The ruler on its canvas. */

import { clock } from "../ui/time.js";
import { type Lanes, LANES, type Range, type Span, stepOf } from "./lanes.js";

/** Pixels at the left, for the names of the lanes. */
export const GUTTER = 84;

const TOP = 22;
const LANE = 24;

export const HEIGHT = TOP + LANES.length * LANE + 4;

export interface Drawing {
  lanes: Lanes;
  range: Range;
  /** Milliseconds of audio that one stands at. */
  here: number;
  names: readonly string[];
}

export function draw(canvas: HTMLCanvasElement, drawing: Drawing): void {
  const context = canvas.getContext("2d");
  if (context === null) {
    return;
  }
  const ratio = devicePixelRatio;
  const width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  context.scale(ratio, ratio);
  new Pen(context, width, drawing, getComputedStyle(canvas)).all();
}

class Pen {
  readonly #scale: number;

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private readonly width: number,
    private readonly drawing: Drawing,
    private readonly style: CSSStyleDeclaration,
  ) {
    const { from, to } = drawing.range;
    this.#scale = (width - GUTTER) / Math.max(1, to - from);
  }

  all(): void {
    const { lanes, names, here } = this.drawing;
    this.#marks();
    names.forEach((name, index) => this.#name(name, index));
    this.#spans(lanes.speech, 0, "--accent-soft", 6);
    this.#spans(lanes.utterances, 1, "--sunken", 3);
    this.#points(lanes.commands, 2, "--series-3");
    this.#points(lanes.engine, 3, "--series-1");
    this.#points(lanes.failures, 4, "--bad");
    this.#needle(here);
  }

  #colour(token: string): string {
    return this.style.getPropertyValue(token);
  }

  #x(ms: number): number {
    return GUTTER + (ms - this.drawing.range.from) * this.#scale;
  }

  #write(text: string, x: number, y: number, colour: string, most?: number): void {
    this.context.font = `12px ${this.style.fontFamily}`;
    this.context.textBaseline = "middle";
    this.context.fillStyle = this.#colour(colour);
    this.context.fillText(text, x, y, most);
  }

  #marks(): void {
    const { from, to } = this.drawing.range;
    const step = stepOf(to - from, this.width - GUTTER);
    for (let ms = Math.ceil(from / step) * step; ms <= to; ms += step) {
      const x = Math.round(this.#x(ms)) + 0.5;
      this.#line(x, TOP - 6, HEIGHT, "--line", 1);
      if (x + 34 < this.width) {
        this.#write(clock(ms, step < 1000 ? 1 : 0), x + 3, TOP - 12, "--ink-soft");
      }
    }
  }

  #name(name: string, index: number): void {
    const y = TOP + index * LANE;
    this.#write(name, 0, y + LANE / 2, "--ink-soft", GUTTER - 8);
    this.context.fillStyle = this.#colour("--line");
    this.context.fillRect(0, y, this.width, 1);
  }

  #spans(spans: readonly Span[], lane: number, colour: string, inset: number): void {
    const y = TOP + lane * LANE + inset;
    const height = LANE - 2 * inset + 1;
    let drawnTo = -1;
    for (const { from, to, text } of spans) {
      const left = Math.max(GUTTER, this.#x(from));
      const right = Math.min(this.width, this.#x(to));
      if (right < left || right <= drawnTo) {
        continue;
      }
      drawnTo = right;
      const width = Math.max(2, right - left - 1);
      this.context.fillStyle = this.#colour(colour);
      this.context.fillRect(left, y, width, height);
      if (text === "") {
        this.context.fillStyle = this.#colour("--accent");
        this.context.fillRect(left, y + height - 2, width, 2);
      } else if (width > 28) {
        this.#clipped(text, left, y, width, height);
      }
    }
  }

  #clipped(text: string, x: number, y: number, width: number, height: number): void {
    this.context.save();
    this.context.beginPath();
    this.context.rect(x, y, width - 2, height);
    this.context.clip();
    this.#write(text, x + 4, y + height / 2, "--ink");
    this.context.restore();
  }

  #points(points: readonly number[], lane: number, colour: string): void {
    const y = TOP + lane * LANE + LANE / 2;
    this.context.fillStyle = this.#colour(colour);
    let drawn = -10;
    for (const ms of points) {
      const x = this.#x(ms);
      if (x < GUTTER || x > this.width || x - drawn < 2) {
        continue;
      }
      drawn = x;
      this.context.beginPath();
      this.context.arc(Math.max(GUTTER + 4, x), y, 4, 0, 2 * Math.PI);
      this.context.fill();
    }
  }

  #needle(ms: number): void {
    const x = this.#x(ms);
    if (x >= GUTTER && x <= this.width + 1) {
      this.#line(Math.min(x, this.width - 1), 2, HEIGHT, "--accent", 2);
      this.context.fillStyle = this.#colour("--accent");
      this.context.beginPath();
      this.context.arc(Math.min(x, this.width - 5), 5, 5, 0, 2 * Math.PI);
      this.context.fill();
    }
  }

  #line(x: number, from: number, to: number, colour: string, width: number): void {
    this.context.strokeStyle = this.#colour(colour);
    this.context.lineWidth = width;
    this.context.beginPath();
    this.context.moveTo(x, from);
    this.context.lineTo(x, to);
    this.context.stroke();
  }
}
