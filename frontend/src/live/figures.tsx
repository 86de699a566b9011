/** How fast, how far behind, and whether the connection holds. */

import { useEffect, useState } from "react";

import { live } from "../i18n/live.js";
import { useLocale, useText } from "../i18n/text.js";
import { useSelector } from "../store/hooks.js";
import { Badge, clock } from "../ui/index.js";
import { link } from "./link.js";
import { RATE } from "./wave.js";

/** Milliseconds between two looks at what is on its way. */
const EVERY = 500;

/** Why the hub ends a session by itself. */
const REASONS = { shutdown: "endShutdown", expired: "endExpired", idle: "endIdle", admin: "endAdmin" } as const;

export function Figures() {
  const t = useText(live);
  const locale = useLocale();
  const { delays, session } = useSelector((state) => state.live);
  const [{ sent, acknowledged }, look] = useState({ sent: 0, acknowledged: 0 });
  useEffect(() => {
    const timer = setInterval(() => {
      const now = { sent: link.sent, acknowledged: link.acknowledged };
      look((before) => (before.sent === now.sent && before.acknowledged === now.acknowledged ? before : now));
    }, EVERY);
    return () => clearInterval(timer);
  }, []);
  const lag = Math.max(0, sent - acknowledged) / RATE;
  const number = (value: number, digits: number): string =>
    value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const delay = (value: number | null): string => (value === null ? "–" : t("milliseconds", { count: number(value, 0) }));
  return (
    <dl className="live-figures">
      <div>
        <dt>{t("firstPartial")}</dt>
        <dd>{delay(delays.firstPartial)}</dd>
      </div>
      <div>
        <dt>{t("finalDelay")}</dt>
        <dd>{delay(delays.final)}</dd>
      </div>
      <div>
        <dt>{t("lag")}</dt>
        <dd>{session === null ? "–" : t("seconds", { count: number(lag, 1) })}</dd>
      </div>
      <div>
        <dt>{t("heardSoFar")}</dt>
        <dd>{session === null ? "–" : clock((acknowledged / RATE) * 1000, 0)}</dd>
      </div>
    </dl>
  );
}

export function Connection() {
  const t = useText(live);
  const { phase, session } = useSelector((state) => state.live);
  const now = useSelector((state) => (session === null ? undefined : state.sessions[session]));
  return (
    <p className="live-connection" role="status" aria-label={t("connection")} data-testid="connection" data-state={now?.connection ?? phase}>
      {badge()}
      {now !== undefined && (
        <small>
          {[t(now.via as "websocket"), now.provider].filter((part) => part !== "").join(" · ")}
        </small>
      )}
    </p>
  );

  function reason(code: string): string {
    return code in REASONS ? t(REASONS[code as keyof typeof REASONS]) : code;
  }

  function badge() {
    if (phase === "opening" && now?.connection !== "live") {
      return <Badge>{t("connectionOpening")}</Badge>;
    }
    switch (now?.connection) {
      case "live":
        return <Badge kind="good">{t("connectionLive")}</Badge>;
      case "broken":
        return <Badge kind="warning">{t("connectionBroken")}</Badge>;
      case "lost":
        return <Badge kind="bad">{t("connectionLost")}</Badge>;
      case "closed":
        return <Badge>{now.ending === "close" ? t("connectionEnded") : t("connectionClosed", { reason: reason(now.ending ?? "") })}</Badge>;
      default:
        return <Badge>{t("connectionNone")}</Badge>;
    }
  }
}
