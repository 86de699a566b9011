/** The last words of one session and nothing else: for a projector, or over a picture. */

import "./captions.css";

import { type CSSProperties, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { onKeyGiven } from "../api.js";
import { useText } from "../i18n/text.js";
import { watch } from "../i18n/watch.js";
import { KeyMissing } from "../key_prompt.js";
import type { Route } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { at, count, type Transcript } from "../store/transcript.js";
import { sentence } from "../ui/index.js";
import { WatchLink } from "./link.js";
import { lookOf } from "./look.js";

/** Utterances that may stand in the lines together. */
const LAST = 6;

export default function Captions({ route: { session: id } }: { route: Extract<Route, { view: "captions" }> }) {
  const dispatch = useDispatch();
  const t = useText(watch);
  const session = useSelector((state) => state.sessions[id]);
  // Why there are no words; null for a name, which gives none.
  const [trouble, tell] = useState<{ id: string; message: string | null }>();
  const [turn, begin] = useState(0);
  useEffect(() => onKeyGiven(() => begin((before) => before + 1)), []);
  useEffect(() => {
    const link = new WatchLink({
      id,
      via: "websocket",
      dispatch,
      isEndless: true,
      onOpen: () => tell(undefined),
      onNameOnly: () => tell({ id, message: null }),
      onRefused: (message) => tell({ id, message }),
    });
    return () => link.close();
  }, [dispatch, id, turn]);
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  const look = useMemo(() => lookOf(hash), [hash]);
  const style = {
    "--captions-lines": look.lines,
    ...(look.size !== null && { "--captions-size": `${look.size}px` }),
    ...(look.colour !== null && { "--captions-colour": look.colour }),
    textAlign: look.align,
  } as CSSProperties;
  const classes = `captions ${look.shadow ? "captions-shadow" : ""}`;
  return (
    <main id="content" className={classes} style={style} data-testid="view-captions" data-connection={session?.connection ?? "opening"}>
      <div className="captions-lines">{session !== undefined && <Words transcript={session.transcript} />}</div>
      {session?.connection !== "live" && <KeyMissing />}
      {session === undefined && trouble?.id === id && (
        <small className="captions-trouble" role="status">
          {trouble.message === null ? t("captionsNeedId") : t("captionsWait", { message: sentence(trouble.message) })}
        </small>
      )}
    </main>
  );
}

function Words({ transcript }: { transcript: Transcript }) {
  const total = count(transcript);
  const finals = Array.from({ length: Math.min(LAST, total) }, (_, index) => at(transcript, total - Math.min(LAST, total) + index));
  return (
    <p>
      <span aria-live="polite">
        {finals.map((line) => (
          <span key={line?.utterance} data-testid="final">
            {line?.text}{" "}
          </span>
        ))}
      </span>
      {transcript.partial !== null && <span data-testid="partial">{transcript.partial.hypothesis.text}</span>}
    </p>
  );
}

function subscribe(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}
