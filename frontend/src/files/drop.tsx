import { type DragEvent, useRef, useState } from "react";

import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { noticed } from "../store/notices.js";
import { Button, Card, size } from "../ui/index.js";
import type { Formats, Model } from "./answers.js";
import { OrderForm } from "./order_form.js";
import { type Order, PLAIN } from "./order.js";
import { uploads } from "./uploads.js";

/** Where files are dropped or chosen, and how they are to be heard. */
export function Drop({ formats, models }: { formats: Formats; models: readonly Model[] }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const picker = useRef<HTMLInputElement>(null);
  const [order, setOrder] = useState<Order>(PLAIN);
  const [isOver, setOver] = useState(false);
  const take = (chosen: Iterable<File>): void => {
    const all = [...chosen];
    const fitting = all.filter((file) => file.size > 0 && file.size <= formats.max_bytes);
    for (const file of all.filter((one) => !fitting.includes(one))) {
      const key = file.size === 0 ? "isEmpty" : "isTooLarge";
      dispatch(noticed("error", t(key, { name: file.name, max: size(formats.max_bytes) })));
    }
    uploads.add(fitting, order);
  };
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  return (
    <Card title={t("send")}>
      <div
        className={isOver ? "files-drop files-drop-over" : "files-drop"}
        data-testid="drop"
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={dropped}
      >
        <p className="files-drop-title">{t("dropHere")}</p>
        <input
          ref={picker}
          className="hidden"
          type="file"
          multiple
          tabIndex={-1}
          aria-label={t("choose")}
          accept="audio/*,video/*,.flac,.amr,.caf,.w64,.aiff,.mka,.mkv,.opus"
          onChange={(event) => {
            take(event.target.files ?? []);
            event.target.value = "";
          }}
        />
        <Button kind="primary" onClick={() => picker.current?.click()}>
          {t("choose")}
        </Button>
        <small>{t("limits", { max: size(formats.max_bytes), hours: Math.round(formats.max_seconds / 360) / 10 })}</small>
      </div>
      <details className="files-options">
        <summary>{t("options")}</summary>
        <OrderForm order={order} onChange={setOrder} models={models} outputs={formats.outputs.map(({ name }) => name)} />
      </details>
    </Card>
  );
}
