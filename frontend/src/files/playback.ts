/** Where the player is, as a place in the text. */

import { type RefObject, useEffect, useState } from "react";

import type { Segment } from "./answers.js";
import { pieceAt, segmentAt, type Timed } from "./timing.js";

export interface Place {
  segment: number;
  /** Of the segment; -1 between words. */
  piece: number;
}

const NOWHERE: Place = { segment: -1, piece: -1 };

/** Looked at with every picture while it plays, and after each jump; it changes only where the word does. */
export function usePlace(
  player: RefObject<HTMLAudioElement | null>,
  segments: readonly Segment[],
  piecesOf: (index: number) => readonly Timed[],
): { place: Place; isPlaying: boolean } {
  const [place, setPlace] = useState(NOWHERE);
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    const audio = player.current;
    if (audio === null) {
      return undefined;
    }
    let frame = 0;
    const look = (): void => {
      const ms = audio.currentTime * 1000;
      const segment = audio.currentTime === 0 && audio.paused ? -1 : segmentAt(segments, ms);
      const piece = segment < 0 ? -1 : pieceAt(piecesOf(segment), ms);
      setPlace((before) => (before.segment === segment && before.piece === piece ? before : { segment, piece }));
    };
    const loop = (): void => {
      look();
      frame = audio.paused ? 0 : requestAnimationFrame(loop);
    };
    const changed = (): void => {
      setPlaying(!audio.paused && !audio.ended);
      cancelAnimationFrame(frame);
      loop();
    };
    const names = ["play", "playing", "pause", "ended", "seeked"] as const;
    for (const name of names) {
      audio.addEventListener(name, changed);
    }
    changed();
    return () => {
      cancelAnimationFrame(frame);
      for (const name of names) {
        audio.removeEventListener(name, changed);
      }
    };
  }, [player, segments, piecesOf]);
  return { place, isPlaying };
}
