import { useId } from "react";

import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { Choices, Field, Select } from "../ui/index.js";
import type { Model } from "./answers.js";
import type { Order } from "./order.js";

export interface OrderFormProps {
  order: Order;
  onChange: (order: Order) => void;
  models: readonly Model[];
  /** Names of formats that the hub writes. */
  outputs: readonly string[];
}

/** Languages that are offered; any other BCP 47 tag can be typed. */
const LANGUAGES = ["en", "zh", "zh-TW", "yue", "ja", "ko", "de", "fr", "es", "it", "pt", "nl", "ru", "ar", "hi", "tr", "vi", "th", "id", "pl"];

export function OrderForm({ order, onChange, models, outputs }: OrderFormProps) {
  const t = useText(texts);
  const id = useId();
  const put = (change: Partial<Order>): void => onChange({ ...order, ...change });
  return (
    <div className="files-order">
      <Field
        label={t("language")}
        hint={t("languageHint")}
        list={`${id}-languages`}
        maxLength={35}
        value={order.language}
        onChange={(event) => put({ language: event.target.value })}
      />
      <datalist id={`${id}-languages`}>
        {LANGUAGES.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Select
        label={t("provider")}
        value={order.provider}
        onPick={(provider) => put({ provider })}
        options={[
          { value: "", text: t("providerDefault", { name: models.find((one) => one.is_default)?.name ?? "–" }) },
          ...models.map((one) => ({ value: one.name, text: one.is_ready ? one.name : t("notReady", { name: one.name }) })),
        ]}
      />
      <Choices
        label={t("priority")}
        value={order.priority}
        onPick={(priority) => put({ priority: priority as Order["priority"] })}
        options={[
          { value: "high", text: t("priorityHigh") },
          { value: "normal", text: t("priorityNormal") },
          { value: "low", text: t("priorityLow") },
        ]}
      />
      <Choices
        label={t("channels")}
        value={order.channels}
        onPick={(channels) => put({ channels: channels as Order["channels"] })}
        options={[
          { value: "mix", text: t("channelsMix") },
          { value: "split", text: t("channelsSplit") },
        ]}
      />
      <div className="field files-wide">
        <label htmlFor={`${id}-hotwords`}>{t("hotwords")}</label>
        <textarea
          id={`${id}-hotwords`}
          className="input"
          rows={2}
          aria-describedby={`${id}-hotwords-hint`}
          value={order.hotwords}
          onChange={(event) => put({ hotwords: event.target.value })}
        />
        <small id={`${id}-hotwords-hint`}>{t("hotwordsHint")}</small>
      </div>
      <fieldset className="files-formats files-wide">
        <legend>{t("formats")}</legend>
        {outputs.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={order.formats.length === 0 || order.formats.includes(name)}
              onChange={() => put({ formats: toggled(order.formats, name, outputs) })}
            />
            {name}
          </label>
        ))}
      </fieldset>
    </div>
  );
}

/** None chosen stands for all, and so does every one. */
function toggled(chosen: readonly string[], name: string, all: readonly string[]): readonly string[] {
  const now = chosen.length === 0 ? all : chosen;
  const after = now.includes(name) ? now.filter((one) => one !== name) : [...now, name];
  return after.length === all.length ? [] : after;
}
