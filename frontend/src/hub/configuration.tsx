import { useMemo, useState } from "react";

import { json, messageOf } from "../api.js";
import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import { Badge, Button, Card, Empty, Field, Trouble, useResource } from "../ui/index.js";
import type { Reloaded } from "./answers.js";
import { found, leaves, type Node, tree, type Value } from "./config_tree.js";

/** What holds now, and reading it again. */
export function Configuration() {
  const t = useText(texts);
  const { data, error, reload } = useResource<Value>("/v1/config");
  const [search, setSearch] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [told, setTold] = useState<Reloaded>();
  const [trouble, setTrouble] = useState<string>();
  const nodes = useMemo(() => (data === undefined ? [] : tree(data)), [data]);
  const shown = useMemo(() => found(nodes, search), [nodes, search]);
  const again = (): void => {
    setBusy(true);
    setTrouble(undefined);
    json<Reloaded>("/v1/config/reload", { method: "POST" })
      .then((answer) => {
        setTold(answer);
        reload();
      })
      .catch((failure: unknown) => {
        setTold(undefined);
        setTrouble(messageOf(failure));
      })
      .finally(() => setBusy(false));
  };
  return (
    <Card
      title={t("config")}
      actions={
        <Button disabled={isBusy} onClick={again}>
          {isBusy ? t("reading") : t("reload")}
        </Button>
      }
    >
      <p className="hub-soft">{t("configLead")}</p>
      <div aria-live="polite">{told !== undefined && <Outcome told={told} />}</div>
      {trouble !== undefined && <Trouble text={trouble} />}
      {error !== undefined && <Trouble text={error} onRetry={reload} />}
      {data !== undefined && (
        <>
          <Field label={t("searchConfig")} type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
          <small role="status">{t("keys", { count: leaves(shown) })}</small>
          {shown.length === 0 && <Empty title={t("noKey")} />}
          <div className="hub-tree" data-testid="config">
            <Branch nodes={shown} isOpen={search.trim() !== ""} />
          </div>
        </>
      )}
    </Card>
  );
}

function Outcome({ told }: { told: Reloaded }) {
  const t = useText(texts);
  const { applied, needs_restart } = told;
  if (applied.length === 0 && needs_restart.length === 0) {
    return <p className="hub-soft">{t("nothingNew")}</p>;
  }
  return (
    <>
      {applied.length > 0 && (
        <p>
          <Badge kind="good">{t("applied")}</Badge> <code>{applied.join(", ")}</code>
        </p>
      )}
      {needs_restart.length > 0 && (
        <p>
          <Badge kind="warning">{t("needsRestart")}</Badge> <code>{needs_restart.join(", ")}</code>
        </p>
      )}
    </>
  );
}

function Branch({ nodes, isOpen }: { nodes: readonly Node[]; isOpen: boolean }) {
  const t = useText(texts);
  return (
    <ul>
      {nodes.map((node) => (
        <li key={node.path}>
          {node.text === null ? (
            // Opened by a search, and by hand otherwise: a new search starts anew.
            <details key={String(isOpen)} open={isOpen}>
              <summary>
                <code>{node.key}</code> <small>{leaves(node.children)}</small>
              </summary>
              <Branch nodes={node.children} isOpen={isOpen} />
            </details>
          ) : (
            <p className="hub-leaf">
              <code title={node.path}>{node.key}</code>
              {node.isSecret ? <Badge kind="warning">{t("secret")}</Badge> : <code className="hub-value">{node.text}</code>}
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}
