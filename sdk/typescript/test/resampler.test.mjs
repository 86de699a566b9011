/** The resampler against sines whose answer is known. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../dist/index.js";
import { chance } from "./chance.mjs";

function sine(hertz, rate, seconds, level = 0.5) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, n) => level * Math.sin((2 * Math.PI * hertz * n) / rate));
}

function whole(resampler, input) {
  return Float32Array.of(...resampler.push(input), ...resampler.flush());
}

/** The middle of it: a sine that begins and ends abruptly has every frequency there. */
function middle(samples) {
  return samples.subarray(Math.floor(samples.length / 4), Math.floor((samples.length * 3) / 4));
}

function rms(samples) {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

const decibels = (ratio) => 20 * Math.log10(ratio);

for (const from of [44_100, 48_000, 96_000, 22_050]) {
  test(`${from} Hz: what can be heard at 16 kHz stays as it was, to the sample`, () => {
    for (const hertz of [100, 440, 1000, 3400, 6000, 6900]) {
      const got = whole(new Resampler(from, 16_000), sine(hertz, from, 0.5));
      const wanted = sine(hertz, 16_000, 0.5);
      assert.equal(got.length, wanted.length);
      const error = middle(got).map((sample, n) => sample - middle(wanted)[n]);
      const down = decibels(rms(error) / rms(middle(wanted)));
      assert.ok(down < -75, `${hertz} Hz: the error is ${down.toFixed(1)} dB`);
    }
  });
}

for (const from of [44_100, 48_000, 96_000]) {
  test(`${from} Hz: what would come back as another tone is 80 dB down`, () => {
    for (const hertz of [8100, 9000, 11_000, 15_000, 16_000, 20_000]) {
      const got = middle(whole(new Resampler(from, 16_000), sine(hertz, from, 0.5)));
      const down = decibels(rms(got) / rms(middle(sine(hertz, from, 0.5))));
      assert.ok(down < -80, `${hertz} Hz: ${down.toFixed(1)} dB are left`);
    }
  });
}

test("8 kHz become 16 kHz without a mirror of themselves", () => {
  const got = middle(whole(new Resampler(8000, 16_000), sine(1000, 8000, 0.5)));
  const wanted = middle(sine(1000, 16_000, 0.5));
  assert.ok(decibels(rms(got.map((sample, n) => sample - wanted[n])) / rms(wanted)) < -75);
});

test("a constant stays one", () => {
  const got = middle(whole(new Resampler(44_100, 16_000), new Float32Array(44_100).fill(0.25)));
  for (const sample of got) {
    assert.ok(Math.abs(sample - 0.25) < 1e-6);
  }
});

test("how the stream was cut makes no difference, and the ratio is exact", () => {
  const { below, is } = chance(7);
  for (const [from, to] of [[44_100, 16_000], [48_000, 16_000], [16_000, 44_100], [16_000, 16_000], [11_025, 16_000]]) {
    const input = Float32Array.from({ length: 20_000 + below(500) }, () => below(2000) / 1000 - 1);
    const wanted = whole(new Resampler(from, to), input);
    assert.equal(wanted.length, Math.ceil((input.length * to) / from));
    const resampler = new Resampler(from, to);
    const got = [];
    for (let at = 0; at < input.length; ) {
      const size = is(0.2) ? below(3) : below(700);
      got.push(...resampler.push(input.subarray(at, at + size)));
      at += size;
    }
    got.push(...resampler.flush());
    assert.deepEqual(Float32Array.from(got), wanted);
  }
});

test("after a flush a new stream begins", () => {
  const resampler = new Resampler(48_000, 16_000);
  const input = sine(440, 48_000, 0.05);
  assert.deepEqual(whole(resampler, input), whole(resampler, input));
});

test("rates that are none are refused", () => {
  assert.throws(() => new Resampler(0, 16_000), RangeError);
  assert.throws(() => new Resampler(44_100.5, 16_000), RangeError);
  assert.throws(() => new Resampler(47_999, 16_000), /no small ratio/);
});
