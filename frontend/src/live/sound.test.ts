import { Resampler, toInt16 } from "asr-hub-client";
import { describe, expect, test } from "vitest";

import { mixed } from "./decoded.js";
import { Pace } from "./pace.js";
import { COLUMN, COLUMNS, loudness, RATE, Wave } from "./wave.js";

const FULL = 32_767;

describe("resampling, in blocks as the audio thread hands them over", () => {
  function resampled(from: number, hertz: number): Float32Array {
    const seconds = 1;
    const tone = Float32Array.from({ length: from * seconds }, (_, index) => 0.5 * Math.sin((2 * Math.PI * hertz * index) / from));
    const resampler = new Resampler(from, RATE);
    const block = Math.round(from / 20);
    const parts: number[] = [];
    for (let at = 0; at < tone.length; at += block) {
      parts.push(...resampler.push(tone.subarray(at, at + block)));
    }
    return Float32Array.from([...parts, ...resampler.flush()]);
  }

  test.each([48_000, 44_100, 32_000, 8_000])("a tone of 1 kHz at %i Hz is the reference tone at 16 kHz", (from) => {
    const got = resampled(from, 1000);
    expect(got.length).toBe(RATE);
    const worst = got
      .subarray(500, RATE - 500)
      .reduce((most, value, index) => Math.max(most, Math.abs(value - 0.5 * Math.sin((2 * Math.PI * 1000 * (index + 500)) / RATE))), 0);
    expect(worst).toBeLessThan(0.001);
  });

  test("a tone above what 16 kHz can hold is gone, not folded down", () => {
    const power = resampled(48_000, 12_000).subarray(500, RATE - 500).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(power).toBeLessThan(0.001);
  });

  test("samples beyond full scale are cut off", () => {
    expect([...toInt16(Float32Array.of(2, -2, 0.5))]).toEqual([32_767, -32_768, 16_384]);
  });
});

describe("the waveform", () => {
  test("a column holds the peak of its 20 ms, however the blocks are cut", () => {
    const wave = new Wave();
    const samples = new Int16Array(COLUMN * 3);
    samples[COLUMN + 5] = -FULL;
    wave.push(samples.subarray(0, 100));
    wave.push(samples.subarray(100));
    expect(wave.columns).toBe(3);
    expect([0, 1, 2].map((column) => Math.round(wave.peak(column)))).toEqual([0, 1, 0]);
  });

  test("an hour keeps twelve seconds", () => {
    const wave = new Wave();
    const second = new Int16Array(RATE).fill(1000);
    for (let at = 0; at < 3600; at += 1) {
      wave.push(second);
      wave.began(at * 1000);
      wave.ended(at * 1000 + 500);
    }
    expect(wave.columns).toBe((3600 * RATE) / COLUMN);
    expect(wave.peak(wave.columns - COLUMNS - 1)).toBe(0);
    expect(wave.peak(wave.columns - 1)).toBeGreaterThan(0);
    expect(wave.speech.length).toBeLessThanOrEqual(64);
  });

  test("the level of a full tone is -3 dB, and silence is nothing", () => {
    const wave = new Wave();
    wave.meter(Int16Array.from({ length: RATE }, (_, index) => FULL * Math.sin((2 * Math.PI * 440 * index) / RATE)));
    expect(wave.levelDb).toBeCloseTo(-3.01, 1);
    wave.meter(new Int16Array(800));
    expect(loudness(wave.levelDb)).toBe(0);
  });
});

test("several channels become their mean", () => {
  expect([...mixed([Float32Array.of(1, 0), Float32Array.of(0, 0.5)])]).toEqual([0.5, 0.25]);
  expect(mixed([]).length).toBe(0);
});

test("it is known when a sample was sent, for a while", () => {
  const pace = new Pace();
  for (let block = 1; block <= 10_000; block += 1) {
    pace.sent(block * 800, block * 50);
  }
  expect(pace.when(9_999 * 800)).toBe(9_999 * 50);
  expect(pace.when(9_999 * 800 + 1)).toBe(10_000 * 50);
  expect(pace.when(5)).toBeUndefined();
  expect(pace.when(10_001 * 800)).toBeUndefined();
});
