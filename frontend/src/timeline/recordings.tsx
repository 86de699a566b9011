/** The recordings of the hub: open, take along, bring, delete. */

import { type ChangeEvent, type DragEvent, useRef, useState } from "react";

import { base, json, key, messageOf, request } from "../api.js";
import { timeline as texts } from "../i18n/timeline.js";
import { common } from "../i18n/common.js";
import { useLocale, useText } from "../i18n/text.js";
import { go } from "../router.js";
import { useDispatch } from "../store/hooks.js";
import { noticed, troubleOver } from "../store/notices.js";
import { Badge, Button, Card, clock, Dialog, Empty, Row, size, Trouble, useFirst, useFocusKept, useResource } from "../ui/index.js";
import { linkTo, pathOf, type RecordingsAnswer, type RecordingView } from "./answers.js";

const NONE: RecordingView[] = [];

const YAML = "recorder:\n  mode: ask   # or `on`: every session";

export function Recordings() {
  const t = useText(texts);
  const { data, error, isLoading, reload } = useResource<RecordingsAnswer>("/v1/recordings", { every: 5_000 });
  const list = useRef<HTMLUListElement>(null);
  useFocusKept(list);
  const [shown, more] = useFirst(data?.recordings ?? NONE);
  return (
    <Card title={t("recordings")} aria-busy={isLoading && data === undefined}>
      {error !== undefined && <Trouble text={error} onRetry={reload} />}
      {data !== undefined && (
        <>
          {data.mode === "off" && <Off />}
          <Upload onDone={reload} />
          {data.recordings.length === 0 && data.mode !== "off" && (
            <Empty title={t("noRecordings")}>
              <p>{t(data.mode === "on" ? "noRecordingsOn" : "noRecordingsAsk")}</p>
            </Empty>
          )}
          <ul ref={list} className="lines">
            {shown.map((one) => (
              <Recording key={one.name} recording={one} onGone={reload} />
            ))}
          </ul>
          {more}
        </>
      )}
    </Card>
  );
}

function Off() {
  const t = useText(texts);
  return (
    <div className="timeline-off">
      <p className="empty-title">{t("modeOff")}</p>
      <p>{t("modeOffLead")}</p>
      <pre tabIndex={0}>{YAML}</pre>
      <p>{t("modeOffStill")}</p>
    </div>
  );
}

function Recording({ recording, onGone }: { recording: RecordingView; onGone: () => void }) {
  const t = useText(texts);
  const locale = useLocale();
  const [isAsked, ask] = useState(false);
  const { name, started_at, provider, language, facts, audio_ms, has_audio, bytes, text, is_live, origin } = recording;
  const when = new Date(started_at * 1000).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
  const details = [provider, language, has_audio ? clock(audio_ms, 0) : null, t("actions", { count: facts }), size(bytes)];
  return (
    <li data-testid="recording">
      <div>
        <a href={linkTo("recordings", name)}>{when}</a>
        {is_live && <Badge kind="accent">{t("isBeingMade")}</Badge>}
        {typeof recording.damage === "string" && <Badge kind="bad">{t("isDamaged")}</Badge>}
        {origin === "uploaded" && <Badge>{t("isUploaded")}</Badge>}
        <p className="timeline-excerpt">{text === "" ? <small>{t("noText")}</small> : text}</p>
        <small>{details.filter((one) => one !== null && one !== "").join(" · ")}</small>
      </div>
      <Row>
        <Download recording={recording} />
        <Button kind="quiet" disabled={is_live} aria-label={`${t("delete")} ${when}`} onClick={() => ask(true)}>
          {t("delete")}
        </Button>
      </Row>
      <Delete recording={recording} isOpen={isAsked} onClose={() => ask(false)} onGone={onGone} />
    </li>
  );
}

interface DeleteProps {
  recording: RecordingView;
  isOpen: boolean;
  onClose: () => void;
  onGone: () => void;
}

function Delete({ recording, isOpen, onClose, onGone }: DeleteProps) {
  const t = useText(texts);
  const c = useText(common);
  const dispatch = useDispatch();
  const remove = async (): Promise<void> => {
    onClose();
    try {
      await request(pathOf({ of: "recordings", name: recording.name }), { method: "DELETE" });
      dispatch(troubleOver());
      onGone();
    } catch (error) {
      dispatch(noticed("error", messageOf(error)));
    }
  };
  return (
    <Dialog title={t("deleteTitle")} isOpen={isOpen} onClose={onClose}>
      <p>{t("deleteLead")}</p>
      {recording.text !== "" && <p className="timeline-excerpt">{recording.text}</p>}
      <Row>
        <Button onClick={onClose}>{c("cancel")}</Button>
        <Button kind="danger" onClick={() => void remove()}>
          {t("delete")}
        </Button>
      </Row>
    </Dialog>
  );
}

/** A link where none needs a key; with one the file is fetched, so that no key stands in an address. */
export function Download({ recording }: { recording: RecordingView }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const path = `${pathOf({ of: "recordings", name: recording.name })}/file`;
  const file = `${recording.name}.zip`;
  if (key() === undefined) {
    return (
      <a className="button button-plain" href={base() + path} download={file} aria-label={`${t("download")} ${file}`}>
        {t("download")}
      </a>
    );
  }
  const fetched = async (): Promise<void> => {
    try {
      const url = URL.createObjectURL(await (await request(path)).blob());
      const link = document.createElement("a");
      link.href = url;
      link.download = file;
      link.click();
      dispatch(troubleOver());
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      dispatch(noticed("error", messageOf(error)));
    }
  };
  return (
    <Button aria-label={`${t("download")} ${file}`} onClick={() => void fetched()}>
      {t("download")}
    </Button>
  );
}

function Upload({ onDone }: { onDone: () => void }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const input = useRef<HTMLInputElement>(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (file: File | undefined): Promise<void> => {
    if (file === undefined || isBusy) {
      return;
    }
    setBusy(true);
    try {
      const headers = { "Content-Type": "application/zip" };
      const { name } = await json<RecordingView>("/v1/recordings", { method: "POST", body: file, headers });
      dispatch(noticed("good", t("uploaded")));
      onDone();
      go({ view: "time", of: "recordings", name });
    } catch (error) {
      dispatch(noticed("error", messageOf(error)));
    } finally {
      setBusy(false);
    }
  };
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    void send(event.dataTransfer.files[0]);
  };
  const chosen = (event: ChangeEvent<HTMLInputElement>): void => {
    void send(event.target.files?.[0]);
    event.target.value = "";
  };
  return (
    <div className="timeline-drop" onDragOver={(event) => event.preventDefault()} onDrop={dropped}>
      <input ref={input} type="file" accept=".zip,application/zip" hidden aria-label={t("upload")} onChange={chosen} />
      <Button disabled={isBusy} onClick={() => input.current?.click()}>
        {t(isBusy ? "uploading" : "upload")}
      </Button>
      <small>{t("uploadHint")}</small>
    </div>
  );
}
