/** What one does with what was said. */

import { useEffect, useRef, useState } from "react";

import { ApiError, json, messageOf, request } from "../api.js";
import { download } from "../export/download.js";
import { type Cue, FORMATS, type Format, MEDIA, written } from "../export/formats.js";
import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";
import { href } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { recordingModeRead } from "../store/hub.js";
import { noticed } from "../store/notices.js";
import { store } from "../store/store.js";
import { count, lines } from "../store/transcript.js";
import { Button, Row, Select, Switch } from "../ui/index.js";

export function Tools({ session }: { session: string }) {
  const t = useText(live);
  const dispatch = useDispatch();
  const hasText = useSelector((state) => {
    const said = state.sessions[session];
    return said !== undefined && count(said.transcript) > 0;
  });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(written("txt", cues(session)));
      dispatch(noticed("good", t("copied")));
    } catch {
      dispatch(noticed("error", t("copyFailed")));
    }
  };
  return (
    <Row className="live-tools">
      <Record session={session} />
      <a href={href({ view: "time", of: "sessions", name: session })}>{t("timeTravel")}</a>
      <Button disabled={!hasText} onClick={() => void copy()}>
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
  recordings: { session: string; is_live: boolean }[];
}

/** Shown where the hub lets sessions be recorded. */
function Record({ session }: { session: string }) {
  const t = useText(live);
  const dispatch = useDispatch();
  const mode = useSelector((state) => state.hub.recordings);
  const isLive = useSelector((state) => state.sessions[session]?.connection === "live");
  const [chosen, choose] = useState<{ session: string; isOn: boolean }>();
  const reading = useRef<AbortController>(undefined);
  // A recording outlives this view and this page, and may be begun and ended elsewhere.
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    reading.current = abort;
    json<RecordingList>("/v1/recordings", { signal })
      .then(async ({ mode: read, recordings }) => {
        dispatch(recordingModeRead(read));
        if (read !== "off" && isLive) {
          const { name } = await json<{ name: string }>(`/v1/sessions/${encodeURIComponent(session)}`, { signal });
          if (!signal.aborted) {
            choose({ session, isOn: recordings.some((one) => one.is_live && one.session === name) });
          }
        }
      })
      .catch((error: unknown) => {
        // Whoever may not see recordings is not offered any.
        if (error instanceof ApiError && error.status !== 404) {
          dispatch(recordingModeRead("off"));
        }
      });
    return () => abort.abort();
  }, [dispatch, session, isLive]);
  if (mode === undefined || mode === "off") {
    return null;
  }
  const isOn = chosen?.session === session ? chosen.isOn : mode === "on";
  const change = async (now: boolean): Promise<void> => {
    reading.current?.abort();
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
