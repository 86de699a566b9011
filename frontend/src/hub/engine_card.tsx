import { useMemo } from "react";

import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import { useSelector } from "../store/hooks.js";
import { Badge, Button, Meter, Spark } from "../ui/index.js";
import type { Breaker, Comparison, Engine, Score } from "./answers.js";
import { line } from "./samples.js";
import { injected } from "./slice.js";

const HEALTH = {
  ready: "good",
  starting: "accent",
  unloaded: "plain",
  retiring: "plain",
  stopped: "plain",
  failed: "bad",
} as const;

/** What engines can do, in the order in which it is shown. */
const ABILITIES = ["streaming", "partials", "words", "confidence", "endpointing", "hotwords", "wake_words", "batch", "gpu"] as const;

/** Languages that are named; of more, how many there are. */
const NAMED = 8;

export function EngineCard({ engine, onPromote }: { engine: Engine; onPromote: () => void }) {
  const t = useText(texts);
  const { name, kind, health, slots, slots_used, error, note, breaker, score } = engine;
  const canBePromoted = !engine.is_default && (health === "ready" || health === "unloaded") && (breaker?.state ?? "closed") === "closed";
  return (
    <article className="hub-engine" aria-label={name} data-testid="engine">
      <header>
        <h3>{name}</h3>
        <small>{kind}</small>
        <span className="hub-badges">
          <Badge kind={HEALTH[health]}>{t(health)}</Badge>
          {engine.is_default && <Badge kind="accent">{t("isDefault")}</Badge>}
          {engine.is_shadow && <Badge kind="warning">{t("onTrial")}</Badge>}
        </span>
      </header>
      {error !== null && <p className="hub-bad">{error}</p>}
      {note !== null && <p className="hub-note">{note}</p>}
      {breaker !== null && <BreakerLine breaker={breaker} />}
      {slots > 0 && (
        <div className="hub-slots">
          <Meter label={t("slotsOf", { name })} value={slots_used / slots} text={t("slots", { used: slots_used, all: slots })} />
          <small>{t("slots", { used: slots_used, all: slots })}</small>
        </div>
      )}
      <Numbers name={name} score={score} />
      {engine.comparisons.map((one) => (
        <Trial key={one.primary} comparison={one} />
      ))}
      {engine.capabilities !== null && <Abilities can={engine.capabilities} />}
      {canBePromoted && (
        <Button className="hub-promote" aria-label={t("promoteNamed", { name })} onClick={onPromote}>
          {t("promote")}
        </Button>
      )}
    </article>
  );
}

function BreakerLine({ breaker }: { breaker: Breaker }) {
  const t = useText(texts);
  const at = useSelector((state) => state.operation?.at) ?? 0;
  const { state, until, reason, last_code, openings } = breaker;
  const wait = until === null ? null : Math.max(0, Math.round(until - at / 1000));
  const name = state === "open" ? "breakerOpen" : state === "half-open" ? "breakerHalf" : "breakerClosed";
  return (
    <div className="hub-breaker">
      <Badge kind={state === "closed" ? "good" : state === "open" ? "bad" : "warning"}>{t(name)}</Badge>
      {state === "open" && wait !== null && <span>{t("triedIn", { seconds: wait })}</span>}
      <small>{[reason, last_code && t("lastFailure", { code: last_code }), t("openings", { count: openings })].filter(Boolean).join(" · ")}</small>
    </div>
  );
}

function Numbers({ name, score }: { name: string; score: Score | null }) {
  const t = useText(texts);
  const { samples } = useSelector((state) => state.operation) ?? injected.getInitialState();
  const values = useMemo(() => line(samples, (one) => one.p50[name]), [samples, name]);
  if (score === null) {
    return <small>{t("saidNothing")}</small>;
  }
  const ms = (value: number | null): string => (value === null ? "–" : t("ms", { value }));
  const numbers: [string, string | number, boolean][] = [
    [t("finals"), score.finals, true],
    [t("p50"), ms(score.p50_ms), true],
    [t("p95"), ms(score.p95_ms), true],
    [t("hedged"), score.hedged, score.hedged > 0],
    [t("lost"), score.lost, score.hedged > 0],
    [t("won"), score.won, score.won > 0],
    [t("skipped"), score.skipped, score.skipped > 0],
  ];
  return (
    <div>
      <dl className="hub-numbers">
        {numbers.map(
          ([term, value, isShown]) =>
            isShown && (
              <div key={term}>
                <dt>{term}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      {values.some((value) => value !== null) && <Spark label={t("latencyOf", { name })} values={values} />}
    </div>
  );
}

/** Beside what clients hear. */
function Trial({ comparison }: { comparison: Comparison }) {
  const t = useText(texts);
  const { primary, utterances, wer, cer, latency_ms, primary_latency_ms } = comparison;
  const percent = (value: number | null): string => (value === null ? "–" : `${(value * 100).toFixed(1)} %`);
  const ms = (value: number | null): string => (value === null ? "–" : t("ms", { value: Math.round(value) }));
  return (
    <div className="hub-trial">
      <small>{t("beside", { primary, count: utterances })}</small>
      <dl className="hub-numbers">
        <div>
          <dt>WER</dt>
          <dd>{percent(wer)}</dd>
        </div>
        <div>
          <dt>CER</dt>
          <dd>{percent(cer)}</dd>
        </div>
        <div>
          <dt>{t("latencyBoth")}</dt>
          <dd>
            {ms(latency_ms)} / {ms(primary_latency_ms)}
          </dd>
        </div>
      </dl>
    </div>
  );
}

function Abilities({ can }: { can: Record<string, unknown> }) {
  const t = useText(texts);
  const languages = Array.isArray(can["languages"]) ? can["languages"].map(String) : [];
  const emulated = Array.isArray(can["emulates"]) ? can["emulates"].map(String) : [];
  const named = languages.length === 0 ? t("anyLanguage") : languages.length <= NAMED ? languages.join(", ") : t("languages", { count: languages.length });
  return (
    <div className="hub-abilities">
      <span className="hub-badges">
        {ABILITIES.filter((one) => can[one] === true).map((one) => (
          <Badge key={one}>{emulated.includes(one) ? t("emulated", { name: t(`can_${one}`) }) : t(`can_${one}`)}</Badge>
        ))}
      </span>
      <small>{named}</small>
      {typeof can["description"] === "string" && can["description"] !== "" && <small>{can["description"]}</small>}
    </div>
  );
}
