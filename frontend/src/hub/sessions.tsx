import { useState } from "react";

import { messageOf, request } from "../api.js";
import { hub as texts } from "../i18n/hub.js";
import { useLocale, useText } from "../i18n/text.js";
import { href } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { noticed } from "../store/notices.js";
import { Button, Card, clock, type Column, Dialog, Empty, Phase, Row, Table, useFirst } from "../ui/index.js";
import type { LiveSession } from "./answers.js";

const NONE: LiveSession[] = [];

export function LiveSessions() {
  const t = useText(texts);
  const locale = useLocale();
  const dispatch = useDispatch();
  const sessions = useSelector((state) => state.operation?.sessions) ?? null;
  const [shown, more] = useFirst(sessions ?? NONE);
  const isKnown = useSelector((state) => state.operation?.engines) !== null;
  const [asked, ask] = useState<string>();
  const close = (name: string): void => {
    ask(undefined);
    request(`/v1/sessions/${encodeURIComponent(name)}`, { method: "DELETE" }).then(
      () => dispatch(noticed("good", t("closing", { name }))),
      (error: unknown) => dispatch(noticed("error", messageOf(error))),
    );
  };
  const columns: Column<LiveSession>[] = [
    { key: "name", title: t("session"), cell: (one) => <code>{one.name}</code> },
    { key: "phase", title: t("phase"), cell: (one) => <Phase phase={one.phase} /> },
    { key: "provider", title: t("engine"), cell: (one) => [one.provider, one.language].filter(Boolean).join(" · ") },
    { key: "protocol", title: t("protocol"), cell: (one) => one.protocol },
    { key: "opened", title: t("opened"), cell: (one) => new Date(one.opened_at * 1000).toLocaleTimeString(locale, { timeStyle: "short" }) },
    { key: "audio", title: t("audio"), isNumber: true, cell: (one) => clock(one.audio_seconds * 1000, 0) },
    { key: "utterances", title: t("utterances"), isNumber: true, cell: (one) => (one.pending > 0 ? `${one.utterances} (+${one.pending})` : one.utterances) },
    { key: "viewers", title: t("viewers"), isNumber: true, cell: (one) => one.viewers },
    { key: "principal", title: t("openedBy"), cell: (one) => one.principal ?? "–" },
    {
      key: "actions",
      title: t("actions"),
      cell: (one) => (
        <span className="hub-links">
          <a href={href({ view: "watch", session: one.name })} aria-label={t("watchNamed", { name: one.name })}>
            {t("watch")}
          </a>
          <a href={href({ view: "time", of: "sessions", name: one.name })} aria-label={t("timeNamed", { name: one.name })}>
            {t("time")}
          </a>
          <Button kind="quiet" aria-label={t("closeNamed", { name: one.name })} onClick={() => ask(one.name)}>
            {t("close")}
          </Button>
        </span>
      ),
    },
  ];
  return (
    <Card title={t("sessions")} actions={sessions !== null && <small>{t("engineCount", { count: sessions.length })}</small>}>
      {sessions === null && isKnown && <p className="hub-soft">{t("notTold")}</p>}
      {sessions?.length === 0 && (
        <Empty title={t("nobody")}>
          <p>
            {t("nobodyLead")} <a href={href({ view: "live" })}>{t("speak")}</a>
          </p>
        </Empty>
      )}
      {sessions !== null && sessions.length > 0 && (
        <Table caption={t("sessionTable")} columns={columns} rows={shown} rowKey={(one) => one.name} />
      )}
      {more}
      <Dialog title={t("closeTitle")} isOpen={asked !== undefined} onClose={() => ask(undefined)}>
        <p>{t("closeLead", { name: asked ?? "" })}</p>
        <Row>
          <Button onClick={() => ask(undefined)}>{t("leave")}</Button>
          <Button kind="danger" onClick={() => asked !== undefined && close(asked)}>
            {t("close")}
          </Button>
        </Row>
      </Dialog>
    </Card>
  );
}
