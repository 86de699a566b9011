import { type KeyboardEvent as ReactKeyboardEvent, useEffect, useRef, useState } from "react";

import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";
import { useSelector } from "../store/hooks.js";
import { Button, Row } from "../ui/index.js";
import { link } from "./link.js";

/** What keeps the space bar to itself; a radio that is chosen has no use for it. */
const TAKES_SPACE = 'input:not([type="radio"]:checked), select, textarea, button, a, summary, [tabindex]';

/** Begin, pause, end; hold to talk; a file. */
export function Controls() {
  const t = useText(live);
  const { phase, choices, session } = useSelector((state) => state.live);
  const chooser = useRef<HTMLInputElement>(null);
  const isBusy = phase === "opening" || phase === "closing";
  const canEnd = phase !== "idle" && phase !== "closing";
  return (
    <Row className="live-controls">
      {choices.mode === "push-to-talk" ? <Hold isBusy={isBusy && phase !== "opening"} /> : main()}
      {canEnd && <Button onClick={() => void link.stop()}>{t("stop")}</Button>}
      <input
        ref={chooser}
        className="hidden"
        type="file"
        accept="audio/*,video/*"
        tabIndex={-1}
        aria-label={t("chooseFile")}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          if (file !== undefined) {
            void link.play(file);
          }
        }}
      />
      <Button kind="quiet" disabled={isBusy || phase === "file"} onClick={() => chooser.current?.click()}>
        {t("chooseFile")}
      </Button>
      {phase === "idle" && session !== null && (
        <Button kind="quiet" onClick={() => link.forget()}>
          {t("clear")}
        </Button>
      )}
    </Row>
  );

  function main() {
    switch (phase) {
      case "listening":
        return (
          <Button kind="primary" className="live-main live-main-on" onClick={() => void link.pause()}>
            {t("pause")}
          </Button>
        );
      case "paused":
        return (
          <Button kind="primary" className="live-main" onClick={() => void link.listen()}>
            {t("resume")}
          </Button>
        );
      case "opening":
      case "closing":
        return (
          <Button kind="primary" className="live-main" disabled>
            {t(phase)}
          </Button>
        );
      default:
        return (
          <Button kind="primary" className="live-main" disabled={phase === "file"} onClick={() => void link.listen()}>
            {t("start")}
          </Button>
        );
    }
  }
}

function Hold({ isBusy }: { isBusy: boolean }) {
  const t = useText(live);
  const [isHeld, setHeld] = useState(false);
  const down = (): void => {
    setHeld(true);
    void link.hold();
  };
  const up = (): void => {
    setHeld(false);
    link.release();
  };
  useSpace(down, up);
  const press = (event: ReactKeyboardEvent): void => {
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      if (!event.repeat) {
        down();
      }
    }
  };
  return (
    <>
      <Button
        kind="primary"
        className={isHeld ? "live-main live-main-on" : "live-main"}
        aria-pressed={isHeld}
        aria-description={t("holdHint")}
        disabled={isBusy}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          down();
        }}
        onPointerUp={up}
        onPointerCancel={up}
        onKeyDown={press}
        onKeyUp={(event) => {
          if (event.key === " " || event.key === "Enter") {
            up();
          }
        }}
        onBlur={() => isHeld && up()}
        onContextMenu={(event) => event.preventDefault()}
      >
        {t(isHeld ? "holding" : "hold")}
      </Button>
      <small>{t("holdHint")}</small>
    </>
  );
}

/** The space bar, wherever nothing else wants it. */
function useSpace(down: () => void, up: () => void): void {
  const latest = useRef({ down, up });
  useEffect(() => {
    latest.current = { down, up };
  });
  useEffect(() => {
    let isDown = false;
    const pressed = (event: KeyboardEvent): void => {
      const isTaken = event.target instanceof Element && event.target.closest(TAKES_SPACE) !== null;
      if (event.code === "Space" && !isTaken) {
        event.preventDefault();
        if (!event.repeat) {
          isDown = true;
          latest.current.down();
        }
      }
    };
    const released = (event: Event): void => {
      if (isDown && (!(event instanceof KeyboardEvent) || event.code === "Space")) {
        isDown = false;
        latest.current.up();
      }
    };
    addEventListener("keydown", pressed);
    addEventListener("keyup", released);
    addEventListener("blur", released);
    return () => {
      removeEventListener("keydown", pressed);
      removeEventListener("keyup", released);
      removeEventListener("blur", released);
    };
  }, []);
}
