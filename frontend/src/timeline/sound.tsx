/** What was heard at the place where one stands. */

import { useEffect, useRef, useState } from "react";

import { base, key, messageOf, request } from "../api.js";
import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { store } from "../store/store.js";
import { Button, Trouble } from "../ui/index.js";
import { pathOf, type RecordingView } from "./answers.js";
import { audioAt, moved, NO_TIMELINE, placeAt, rowHere } from "./slice.js";

export function Sound({ recording, isLive }: { recording: RecordingView | undefined; isLive: boolean }) {
  const t = useText(texts);
  if (isLive) {
    return <p className="timeline-note">{t("noAudioLive")}</p>;
  }
  if (recording === undefined) {
    return null;
  }
  return recording.has_audio ? <Player name={recording.name} /> : <p className="timeline-note">{t("noAudio")}</p>;
}

/** Plays from the action on, and while it plays the place follows. */
function Player({ name }: { name: string }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const audio = useRef<HTMLAudioElement>(null);
  const [isPlaying, setPlaying] = useState(false);
  const { url, error } = useAudio(name);
  const press = (): void => {
    const player = audio.current;
    if (player === null) {
      return;
    }
    if (!player.paused) {
      player.pause();
      return;
    }
    const timeline = store.getState().timeline ?? NO_TIMELINE;
    player.currentTime = (rowHere(timeline)?.from ?? audioAt(timeline)) / 1000;
    void player.play().catch(() => setPlaying(false));
  };
  const passed = (): void => {
    const player = audio.current;
    const timeline = store.getState().timeline;
    if (player !== null && timeline !== undefined && !player.paused) {
      const place = placeAt(timeline, player.currentTime * 1000);
      if (place !== timeline.place) {
        dispatch(moved(place));
      }
    }
  };
  useFrames(isPlaying, passed);
  if (error !== undefined) {
    return <Trouble text={error} />;
  }
  return (
    <div className="timeline-sound">
      <Button kind="primary" disabled={url === undefined} onClick={press}>
        {t(isPlaying ? "pause" : "playHere")}
      </Button>
      {url === undefined ? (
        <small role="status">{t("audioLoading")}</small>
      ) : (
        <audio
          ref={audio}
          controls
          preload="metadata"
          src={url}
          aria-label={t("player")}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onEnded={() => setPlaying(false)}
        />
      )}
    </div>
  );
}

/** The hub's own address of it; with a key it is fetched, so that no key stands in an address. */
function useAudio(name: string): { url: string | undefined; error: string | undefined } {
  const path = `${pathOf({ of: "recordings", name })}/audio`;
  const isOpen = key() === undefined;
  const [fetched, setFetched] = useState<{ url?: string; error?: string }>({});
  useEffect(() => {
    if (isOpen) {
      return undefined;
    }
    const abort = new AbortController();
    let made: string | undefined;
    request(path, { signal: abort.signal })
      .then((response) => response.blob())
      .then(
        (blob) => {
          made = URL.createObjectURL(blob);
          setFetched({ url: made });
        },
        (error: unknown) => {
          if (!abort.signal.aborted) {
            setFetched({ error: messageOf(error) });
          }
        },
      );
    return () => {
      abort.abort();
      if (made !== undefined) {
        URL.revokeObjectURL(made);
      }
    };
  }, [path, isOpen]);
  return { url: isOpen ? base() + path : fetched.url, error: fetched.error };
}

/** Calls `work` some ten times a second while it plays. */
function useFrames(isPlaying: boolean, work: () => void): void {
  const newest = useRef(work);
  useEffect(() => {
    newest.current = work;
  });
  useEffect(() => {
    if (!isPlaying) {
      return undefined;
    }
    const timer = setInterval(() => newest.current(), 100);
    return () => clearInterval(timer);
  }, [isPlaying]);
}
