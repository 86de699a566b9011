/** The sessions that live. They are listed by their names; what is said in one is told to those only who know its id. */

import { useEffect, useMemo, useState } from "react";

import { useText } from "../i18n/text.js";
import { watch } from "../i18n/watch.js";
import { href } from "../router.js";
import { useSelector } from "../store/hooks.js";
import { Badge, Button, Card, clock, Empty, Phase, Row, Trouble, useFirst, useResource } from "../ui/index.js";
import { publicName } from "./names.js";
import { NONE } from "./slice.js";

interface SessionView {
  name: string;
  phase: string;
  provider: string;
  protocol: string;
  language: string | null;
  audio_seconds: number;
  utterances: number;
  has_publisher: boolean;
  viewers: number;
  warnings: number;
}

export function LiveSessions({ onWatch }: { onWatch: (id: string) => void }) {
  const t = useText(watch);
  const { data, error, isLoading, reload } = useResource<SessionView[]>("/v1/sessions", { every: 3_000 });
  const ids = useKnownIds();
  // Those that can be opened come first.
  const rows = useMemo(() => [...(data ?? [])].sort((one, other) => Number(ids.has(other.name)) - Number(ids.has(one.name))), [data, ids]);
  const [shown, more] = useFirst(rows);
  return (
    <Card title={t("live")} aria-busy={isLoading && data === undefined}>
      <p className="watch-lead">{t("liveLead")}</p>
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
              <Row>
                <b className="watch-name">{one.name}</b>
                {one.has_publisher ? <Phase phase={one.phase} /> : <Badge kind="warning">{t("alone")}</Badge>}
                {one.warnings > 0 && <Badge kind="warning">{t("warnings", { count: one.warnings })}</Badge>}
              </Row>
              <small>
                {[one.provider, one.protocol, one.language, clock(one.audio_seconds * 1000, 0), t("utterances", { count: one.utterances })]
                  .filter((part) => part !== null)
                  .join(" · ")}
              </small>
            </div>
            <Row>
              <Open name={one.name} id={ids.get(one.name)} onWatch={onWatch} />
              <a className="button button-quiet" href={href({ view: "time", of: "sessions", name: one.name })} aria-label={`${t("time")} ${one.name}`}>
                {t("time")}
              </a>
            </Row>
          </li>
        ))}
      </ul>
      {more}
    </Card>
  );
}

function Open({ name, id, onWatch }: { name: string; id: string | undefined; onWatch: (id: string) => void }) {
  const t = useText(watch);
  if (id === undefined) {
    return <small>{t("idNeeded")}</small>;
  }
  return (
    <Button aria-label={`${t("watch")} ${name}`} onClick={() => onWatch(id)}>
      {t("watch")}
    </Button>
  );
}

/** The ids that this page knows anyway, by the names of their sessions. */
function useKnownIds(): ReadonlyMap<string, string> {
  const spoken = useSelector((state) => state.sessions);
  const watched = useSelector((state) => state.watching?.watched ?? NONE);
  const ids = [...new Set([...Object.keys(spoken), ...watched.map(({ id }) => id)])].sort().join(" ");
  const [known, setKnown] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    let isCurrent = true;
    const named = ids.split(" ").filter((id) => id !== "");
    void Promise.all(named.map(async (id) => [await publicName(id), id] as const)).then((pairs) => {
      if (isCurrent) {
        setKnown(new Map(pairs.flatMap(([name, id]) => (name === null ? [] : [[name, id] as const]))));
      }
    });
    return () => {
      isCurrent = false;
    };
  }, [ids]);
  return known;
}
