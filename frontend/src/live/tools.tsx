/** What one does with what was said. */

import { useEffect, useState } from "react";

import { ApiError, json, messageOf, request } from "../api.js";
import { download } from "../export/download.js";
import { type Cue, FORMATS, type Format, MEDIA, written } from "../export/formats.js";
import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";
import { href, type Route } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { recordingModeRead } from "../store/hub.js";
import { noticed } from "../store/notices.js";
import { store } from "../store/store.js";
import { count, lines } from "../store/transcript.js";
import { Button, Row, Select, Switch } from "../ui/index.js";
import { publicName } from "../watch/names.js";

export function Tools({ session }: { session: string }) {
  const t = useText(live);
  const dispatch = useDispatch();
  const hasText = useSelector((state) => {
    const said = state.sessions[session];
    return said !== undefined && count(said.transcript) > 0;
  });
  const isOver = useSelector((state) => ["closed", "lost"].includes(state.sessions[session]?.connection ?? ""));
  const recorded = useRecorded(session);
  const copy = async (text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      dispatch(noticed("good", t("copied")));
    } catch {
      dispatch(noticed("error", t("copyFailed")));
    }
  };
  const past = pastOf(session, isOver, recorded);
  return (
    <Row className="live-tools">
      {!isOver && <Record session={session} recorded={recorded} />}
      {past !== undefined && <a href={href(past)}>{t("timeTravel")}</a>}
      {!isOver && (
        <>
          <a href={href({ view: "captions", session })} target="_blank" rel="noreferrer">
            {t("captions")}
          </a>
          <Button kind="quiet" title={session} onClick={() => void copy(session)}>
            {t("copyId")}
          </Button>
        </>
      )}
      <Button disabled={!hasText} onClick={() => void copy(written("txt", cues(session)))}>
        {t("copy")}
      </Button>
      <Select
        label={t("export")}
        isLabelHidden
        disabled={!hasText}
        value=""
        options={[{ value: "", text: t("export"), disabled: true }, ...FORMATS.map((value) => ({ value, text: `.${value}` }))]}
        onPick={(value) => {
          const format = value as Format;
          download(`${t("saidFile")}.${format}`, MEDIA[format], written(format, cues(session)));
        }}
      />
    </Row>
  );
}

function cues(session: string): Cue[] {
  const said = store.getState().sessions[session];
  return said === undefined ? [] : lines(said.transcript);
}

interface RecordingList {
  mode: "off" | "ask" | "on";
  recordings: { name: string; session: string; is_live: boolean }[];
}

/** Where its past can be walked through: of one that is over only if it was recorded. */
function pastOf(session: string, isOver: boolean, recorded: Recorded | undefined): Route | undefined {
  if (!isOver) {
    return { view: "time", of: "sessions", name: session };
  }
  return recorded === undefined ? undefined : { view: "time", of: "recordings", name: recorded.name };
}

type Recorded = RecordingList["recordings"][number];

/** The newest recording of this session. It outlives this view and this page, and may be begun and ended elsewhere. */
function useRecorded(session: string): Recorded | undefined {
  const dispatch = useDispatch();
  const connection = useSelector((state) => state.sessions[session]?.connection);
  const [recorded, found] = useState<{ session: string; recording: Recorded | undefined }>();
  useEffect(() => {
    const abort = new AbortController();
    Promise.all([json<RecordingList>("/v1/recordings", { signal: abort.signal }), publicName(session)])
      .then(([{ mode, recordings }, name]) => {
        dispatch(recordingModeRead(mode));
        found({ session, recording: recordings.find((one) => one.session === name) });
      })
      .catch((error: unknown) => {
        // Whoever may not see recordings is not offered any.
        if (error instanceof ApiError && error.status !== 404) {
          dispatch(recordingModeRead("off"));
        }
      });
    return () => abort.abort();
  }, [dispatch, session, connection]);
  return recorded?.session === session ? recorded.recording : undefined;
}

/** Shown where the hub lets sessions be recorded. */
function Record({ session, recorded }: { session: string; recorded: Recorded | undefined }) {
  const t = useText(live);
  const dispatch = useDispatch();
  const mode = useSelector((state) => state.hub.recordings);
  const isLive = useSelector((state) => state.sessions[session]?.connection === "live");
  const [chosen, choose] = useState<{ session: string; isOn: boolean }>();
  if (mode === undefined || mode === "off") {
    return null;
  }
  const isOn = chosen?.session === session ? chosen.isOn : (recorded?.is_live ?? mode === "on");
  const change = async (now: boolean): Promise<void> => {
    choose({ session, isOn: now });
    try {
      await request(`/v1/sessions/${encodeURIComponent(session)}/recording`, { method: now ? "PUT" : "DELETE" });
    } catch (error) {
      choose({ session, isOn: !now });
      dispatch(noticed("error", t("recordFailed", { message: messageOf(error) })));
    }
  };
  return <Switch label={t("record")} isOn={isOn} disabled={!isLive} onSwitch={(now) => void change(now)} />;
}
