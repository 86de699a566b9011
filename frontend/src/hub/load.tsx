import { useMemo, useState } from "react";

import { hub as texts } from "../i18n/hub.js";
import { useText } from "../i18n/text.js";
import { useSelector } from "../store/hooks.js";
import { Card, Chart, Select } from "../ui/index.js";
import { line } from "./samples.js";
import { injected } from "./slice.js";

/** The last ten minutes, as far as somebody looked. */
export function Load() {
  const t = useText(texts);
  const { samples, engines } = useSelector((state) => state.operation) ?? injected.getInitialState();
  const [picked, pick] = useState("");
  const name = picked || (engines?.find((one) => one.is_default)?.name ?? "");
  const load = useMemo(
    () => [
      { name: t("liveSessions"), values: line(samples, (one) => one.sessions) },
      { name: t("slotsUsed"), values: line(samples, (one) => one.slotsUsed) },
      { name: t("jobsWorking"), values: line(samples, (one) => one.working) },
      { name: t("jobsWaiting"), values: line(samples, (one) => one.waiting) },
    ],
    [samples, t],
  );
  const latency = useMemo(
    () => [
      { name: t("p50"), values: line(samples, (one) => one.p50[name]) },
      { name: t("p95"), values: line(samples, (one) => one.p95[name]) },
    ],
    [samples, name, t],
  );
  const ms = (value: number): string => t("ms", { value: Math.round(value) });
  return (
    <Card title={t("load")} actions={<small>{t("window")}</small>}>
      <div className="hub-charts">
        <div>
          <p className="hub-chart-title">{t("inUse")}</p>
          <Chart label={t("inUse")} series={load} format={(value) => String(Math.round(value))} />
        </div>
        <div>
          <div className="hub-chart-title">
            <span>{t("latency")}</span>
            <Select
              label={t("engine")}
              isLabelHidden
              value={name}
              onPick={pick}
              options={(engines ?? []).map((one) => ({ value: one.name, text: one.name }))}
            />
          </div>
          <Chart label={t("latency")} series={latency} format={ms} />
          {latency.every(({ values }) => values.at(-1) === null) && <small>{t("latencyNone")}</small>}
        </div>
      </div>
    </Card>
  );
}
