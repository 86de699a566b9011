import { useCallback, useEffect, useState } from "react";

import { json, messageOf } from "../api.js";
import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import { repeat } from "../repeat.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { noticed } from "../store/notices.js";
import { Badge, Button, Card, Field, Row, Select, Trouble, useResource } from "../ui/index.js";
import { faults, isSame, type Line, MAX_WORDS, wire, type Wire } from "./hotwords.js";
import { HotwordLines } from "./hotword_lines.js";
import { hotwordsRead, hotwordsWritten } from "./slice.js";

const NONE: Line[] = [];

/** The words that every session prefers, or those of one key. */
export function Hotwords() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const [of, setOf] = useState("");
  const { data: told, reload: reloadTenants } = useResource<{ tenants: string[] }>("/v1/hotwords-of");
  const tenants = told?.tenants ?? [];
  const [named, setNamed] = useState("");
  const [isBusy, setBusy] = useState(false);
  const all = useSelector((state) => state.operation?.hotwords);
  const lists = all?.[of];
  const { trouble, reload } = useWords(of);
  const draft = lists?.draft ?? NONE;
  const wrong = faults(draft);
  const isDirty = lists !== undefined && !isSame(lists.draft, lists.saved);
  const dirty = Object.keys(all ?? {}).filter((key) => key !== of && all?.[key] && !isSame(all[key].draft, all[key].saved));
  useLeaving(isDirty || dirty.length > 0);
  const write = useCallback((lines: Line[]) => dispatch(hotwordsWritten({ of, draft: lines })), [dispatch, of]);
  const save = (): void => {
    setBusy(true);
    json<{ hotwords: Wire[] }>(path(of), { method: "PUT", body: { hotwords: wire(draft) } })
      .then(
        (read) => {
          dispatch(hotwordsRead({ of, words: read.hotwords, isSaved: true }));
          dispatch(noticed("good", t("hotwordsSaved")));
          reloadTenants();
        },
        (error: unknown) => dispatch(noticed("error", messageOf(error))),
      )
      .finally(() => setBusy(false));
  };
  const owners = [...new Set([...tenants, ...(of === "" ? [] : [of]), ...dirty.filter((key) => key !== "")])].sort();
  return (
    <Card title={t("hotwords")} actions={isDirty && <Badge kind="warning">{t("unsaved")}</Badge>}>
      <p className="hub-soft">{t("hotwordsLead")}</p>
      <div className="hub-owners">
        <Select
          label={t("hotwordsOf")}
          value={of}
          onPick={setOf}
          options={[{ value: "", text: t("everySession") }, ...owners.map((value) => ({ value, text: value }))]}
        />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setOf(named.trim());
            setNamed("");
          }}
        >
          <Field label={t("otherKey")} value={named} maxLength={200} onChange={(event) => setNamed(event.target.value)} />
          <Button type="submit" disabled={named.trim() === ""}>
            {t("open")}
          </Button>
        </form>
      </div>
      {dirty.length > 0 && <p className="hub-note">{t("unsavedElsewhere", { names: dirty.map((key) => key || t("everySession")).join(", ") })}</p>}
      {trouble !== undefined && <Trouble text={trouble} onRetry={reload} />}
      {lists !== undefined && (
        <>
          <HotwordLines lines={draft} faults={wrong} onChange={write} />
          <Row>
            <Button kind="primary" disabled={!isDirty || isBusy || wrong.some(Boolean) || draft.length > MAX_WORDS} onClick={save}>
              {t("save")}
            </Button>
            <Button disabled={!isDirty} onClick={() => write(lists.saved)}>
              {t("discard")}
            </Button>
            <small className={draft.length > MAX_WORDS ? "hub-bad" : undefined}>{t("wordCount", { count: draft.length, max: MAX_WORDS })}</small>
          </Row>
        </>
      )}
    </Card>
  );
}

/** The list as the hub has it, asked for when it is shown. */
function useWords(of: string): { trouble: string | undefined; reload: () => void } {
  const dispatch = useDispatch();
  const [trouble, setTrouble] = useState<string>();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const ask = async (): Promise<void> => {
      const { hotwords } = await json<{ hotwords: Wire[] }>(path(of), { signal });
      if (!signal.aborted) {
        setTrouble(undefined);
        dispatch(hotwordsRead({ of, words: hotwords }));
      }
    };
    void repeat(ask, { signal, onFailure: (error) => setTrouble(messageOf(error)) });
    return () => abort.abort();
  }, [dispatch, of, turn]);
  return { trouble, reload: useCallback(() => setTurn((before) => before + 1), []) };
}

/** The browser asks before what was written is lost. */
function useLeaving(isDirty: boolean): void {
  useEffect(() => {
    if (!isDirty) {
      return undefined;
    }
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isDirty]);
}

function path(of: string): string {
  return of === "" ? "/v1/hotwords" : `/v1/hotwords/${of.split("/").map(encodeURIComponent).join("/")}`;
}
