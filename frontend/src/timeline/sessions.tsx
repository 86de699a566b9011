/** The sessions that live: their past can be walked through, and recorded from now on. */

import { type SyntheticEvent, useState } from "react";

import { json, messageOf } from "../api.js";
import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { go } from "../router.js";
import { useDispatch } from "../store/hooks.js";
import { noticed, troubleOver } from "../store/notices.js";
import { Badge, Button, Card, clock, Empty, Field, Phase, Row, Trouble, useFirst, useResource } from "../ui/index.js";
import { linkTo, pathOf, type RecordingsAnswer, type SessionView } from "./answers.js";

const NONE: SessionView[] = [];

export function Sessions() {
  const t = useText(texts);
  const { data, error, isLoading, reload } = useResource<SessionView[]>("/v1/sessions", { every: 3_000 });
  const recordings = useResource<RecordingsAnswer>("/v1/recordings", { every: 3_000 });
  const mode = recordings.data?.mode ?? "off";
  const live = new Set((recordings.data?.recordings ?? []).filter((one) => one.is_live).map((one) => one.session));
  const [shown, more] = useFirst(data ?? NONE);
  return (
    <Card title={t("liveSessions")} aria-busy={isLoading && data === undefined}>
      <ById />
      {error !== undefined && <Trouble text={error} onRetry={reload} />}
      {data?.length === 0 && (
        <Empty title={t("noSessions")}>
          <p>{t("noSessionsLead")}</p>
        </Empty>
      )}
      <ul className="lines">
        {shown.map((one) => (
          <li key={one.name}>
            <div>
              <a href={linkTo("sessions", one.name)}>{one.name}</a>
              <Phase phase={one.phase} />
              {live.has(one.name) && <Badge kind="accent">{t("isRecorded")}</Badge>}
              <p>
                <small>
                  {one.provider} · {clock(one.audio_seconds * 1000, 0)} · {t("utterances", { count: one.utterances })}
                </small>
              </p>
            </div>
            {mode !== "off" && <Record name={one.name} isRecorded={live.has(one.name)} onChange={recordings.reload} />}
          </li>
        ))}
      </ul>
      {more}
    </Card>
  );
}

function Record({ name, isRecorded, onChange }: { name: string; isRecorded: boolean; onChange: () => void }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const change = async (): Promise<void> => {
    try {
      await json(`${pathOf({ of: "sessions", name })}/recording`, { method: isRecorded ? "DELETE" : "PUT" });
      dispatch(troubleOver());
      onChange();
    } catch (error) {
      dispatch(noticed("error", messageOf(error)));
    }
  };
  return (
    <Button aria-label={`${t(isRecorded ? "stopRecording" : "record")} ${name}`} onClick={() => void change()}>
      {t(isRecorded ? "stopRecording" : "record")}
    </Button>
  );
}

function ById() {
  const t = useText(texts);
  const [name, setName] = useState("");
  const open = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (name.trim() !== "") {
      go({ view: "time", of: "sessions", name: name.trim() });
    }
  };
  return (
    <form className="timeline-by-id" onSubmit={open}>
      <Field label={t("sessionName")} hint={t("sessionHint")} value={name} onChange={(event) => setName(event.target.value)} />
      <Row>
        <Button type="submit">{t("open")}</Button>
      </Row>
    </form>
  );
}
