import "./watch.css";

import { type SyntheticEvent, useEffect, useRef, useState } from "react";

import { useText } from "../i18n/text.js";
import { watch } from "../i18n/watch.js";
import type { Route } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { noticed } from "../store/notices.js";
import { Button, Card, Choices, Empty, Field, Row, useFocusKept } from "../ui/index.js";
import { LiveSessions } from "./live_sessions.js";
import { MOST, NONE, remember, type Via, VIAS, watchBegun } from "./slice.js";
import { Tile } from "./tile.js";

export default function View({ route }: { route: Extract<Route, { view: "watch" }> }) {
  const t = useText(watch);
  const dispatch = useDispatch();
  const watched = useSelector((state) => state.watching?.watched ?? NONE);
  const [via, setVia] = useState<Via>("websocket");
  const tiles = useRef<HTMLElement>(null);
  useFocusKept(tiles);
  const asked = route.session;
  useEffect(() => {
    if (asked !== undefined) {
      dispatch(watchBegun({ id: asked, via: "websocket" }));
    }
  }, [dispatch, asked]);
  useEffect(() => remember(watched), [watched]);
  const open = (id: string): void => {
    if (watched.length >= MOST && watched.every((one) => one.id !== id)) {
      dispatch(noticed("warning", t("most", { count: MOST })));
      return;
    }
    dispatch(watchBegun({ id, via }));
  };
  return (
    <main id="content" className="watch" data-testid="view-watch">
      <div>
        <h1>{t("title")}</h1>
        <p className="watch-lead">{t("lead")}</p>
      </div>
      <Card>
        <ById via={via} onVia={setVia} onOpen={open} />
      </Card>
      {watched.length > 0 && (
        <section ref={tiles} className="watch-grid" aria-label={t("watched")}>
          {watched.map(({ id, via: through }) => (
            <Tile key={`${id} ${through}`} id={id} />
          ))}
        </section>
      )}
      {watched.length === 0 && (
        <Empty title={t("nothing")}>
          <p>{t("nothingLead")}</p>
        </Empty>
      )}
      <LiveSessions onWatch={open} />
    </main>
  );
}

function ById({ via, onVia, onOpen }: { via: Via; onVia: (via: Via) => void; onOpen: (id: string) => void }) {
  const t = useText(watch);
  const [id, setId] = useState("");
  const submitted = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (id.trim() !== "") {
      onOpen(id.trim());
      setId("");
    }
  };
  return (
    <form className="watch-by-id" onSubmit={submitted}>
      <Field label={t("id")} hint={t("idHint")} value={id} autoComplete="off" spellCheck={false} onChange={(event) => setId(event.target.value)} />
      <Choices
        label={t("via")}
        value={via}
        options={VIAS.map((one) => ({ value: one, text: t(`via_${one}`) }))}
        onPick={(picked) => onVia(VIAS.find((one) => one === picked) ?? "websocket")}
      />
      <Row>
        <Button kind="primary" type="submit">
          {t("watch")}
        </Button>
      </Row>
    </form>
  );
}
