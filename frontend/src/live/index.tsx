import "./live.css";

import { type DragEvent, useEffect, useState } from "react";

import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";
import { useSelector } from "../store/hooks.js";
import { Card, clock, Meter } from "../ui/index.js";
import { Controls } from "./controls.js";
import { Connection, Figures } from "./figures.js";
import { link } from "./link.js";
import { Settings } from "./settings.js";
import { Level, Waveform } from "./stage.js";
import { Tools } from "./tools.js";
import { Transcript } from "./transcript.js";

/** Speak, and see it written. */
export default function Live() {
  const t = useText(live);
  const session = useSelector((state) => state.live.session);
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    void link.comeBack();
  }, []);
  const drop = (event: DragEvent): void => {
    const [file] = event.dataTransfer.files;
    event.preventDefault();
    setOver(false);
    if (file !== undefined) {
      void link.play(file);
    }
  };
  return (
    <main
      id="content"
      className={isOver ? "live live-over" : "live"}
      data-testid="view-live"
      onDragOver={(event) => {
        if (event.dataTransfer.types.includes("Files")) {
          event.preventDefault();
          setOver(true);
        }
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) {
          setOver(false);
        }
      }}
      onDrop={drop}
    >
      <div className="live-head">
        <h1>{t("title")}</h1>
        <Connection />
      </div>
      <Card className="live-stage" aria-label={t("wave")}>
        <Waveform wave={link.wave} />
        <div className="live-bar">
          <Controls />
          <Level wave={link.wave} />
        </div>
        <FileProgress />
      </Card>
      <Card title={t("transcript")} className="live-card" actions={session !== null && <Tools session={session} />}>
        <Transcript session={session} />
      </Card>
      <Card title={t("settings")} className="live-side">
        <Settings />
        <Figures />
      </Card>
      {isOver && <p className="live-drop">{t("dropHere")}</p>}
    </main>
  );
}

function FileProgress() {
  const t = useText(live);
  const file = useSelector((state) => state.live.file);
  const [progress, look] = useState(0);
  useEffect(() => {
    if (file === null) {
      return undefined;
    }
    const timer = setInterval(() => look(link.progress), 250);
    return () => clearInterval(timer);
  }, [file]);
  if (file === null) {
    return null;
  }
  return (
    <div className="live-file">
      <span>{t("streaming", { name: file.name, length: clock(file.seconds * 1000, 0) })}</span>
      <Meter label={t("streamingProgress")} value={progress} />
    </div>
  );
}
