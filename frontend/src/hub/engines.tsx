import { useState } from "react";

import { json, messageOf } from "../api.js";
import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { noticed } from "../store/notices.js";
import { Button, Card, Dialog, Row } from "../ui/index.js";
import type { Engine } from "./answers.js";
import { EngineCard } from "./engine_card.js";
import { engineRead } from "./slice.js";

/** Every engine, the default first. */
export function Engines() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const engines = useSelector((state) => state.operation?.engines) ?? null;
  const [asked, ask] = useState<Engine>();
  if (engines === null) {
    return <p className="loading">{t("asking")}</p>;
  }
  const current = engines.find((one) => one.is_default)?.name ?? "–";
  const promote = ({ name }: Engine): void => {
    ask(undefined);
    json<Engine>(`/v1/providers/${encodeURIComponent(name)}/promote`, { method: "POST" }).then(
      (promoted) => {
        dispatch(engineRead(promoted));
        dispatch(noticed("good", t("promoted", { name })));
      },
      (error: unknown) => dispatch(noticed("error", messageOf(error))),
    );
  };
  const rank = (one: Engine): number => (one.is_default ? 0 : one.is_shadow ? 1 : 2);
  return (
    <Card title={t("engines")} actions={<small>{t("engineCount", { count: engines.length })}</small>}>
      <ul className="hub-engines">
        {[...engines]
          .sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name))
          .map((one) => (
            <li key={one.name}>
              <EngineCard engine={one} onPromote={() => ask(one)} />
            </li>
          ))}
      </ul>
      <Dialog title={t("promoteTitle", { name: asked?.name ?? "" })} isOpen={asked !== undefined} onClose={() => ask(undefined)}>
        <p>{t(asked?.is_shadow ? "promoteShadow" : "promoteLead", { name: asked?.name ?? "", current })}</p>
        <Row>
          <Button kind="primary" onClick={() => asked && promote(asked)}>
            {t("promote")}
          </Button>
          <Button onClick={() => ask(undefined)}>{t("leave")}</Button>
        </Row>
      </Dialog>
    </Card>
  );
}
