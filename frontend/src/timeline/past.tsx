/** One timeline, with all that is to be seen of the place where one stands. */

import { useEffect, useState } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useLocale, useText } from "../i18n/text.js";
import { href } from "../router.js";
import { useDispatch } from "../store/hooks.js";
import { store } from "../store/store.js";
import { publicName } from "../watch/names.js";
import { Badge, Card, clock, Empty, Row, Trouble, useResource } from "../ui/index.js";
import { Actions } from "./actions.js";
import { linkTo, pathOf, type RecordingsAnswer, type RecordingView, type Source } from "./answers.js";
import { Causes } from "./causes.js";
import { Download } from "./recordings.js";
import { Ruler } from "./ruler.js";
import { Said } from "./said_list.js";
import { Scrubber } from "./scrubber.js";
import { NO_TIMELINE, type Timeline } from "./slice.js";
import { Sound } from "./sound.js";
import { StateThen } from "./state_then.js";
import { Traveller } from "./traveller.js";
import { useTimeline } from "./use.js";

export function Past({ of, name }: Source) {
  const t = useText(texts);
  useTraveller({ of, name });
  const { data: recording } = useResource<RecordingView>(of === "recordings" ? pathOf({ of, name }) : null);
  const isEmpty = useTimeline(({ rows, reading }) => rows.length === 0 && reading !== "reading");
  // What is typed before there is an action to go to would be lost.
  const isUnread = useTimeline(({ rows, reading, error }) => rows.length === 0 && (reading === "reading" || error !== null));
  return (
    <>
      <Head of={of} name={name} recording={recording} />
      <Troubles of={of} name={name} />
      {typeof recording?.damage === "string" && <Trouble text={t("damage", { damage: recording.damage })} />}
      {isUnread ? null : isEmpty ? (
        <Empty title={t("noActions")}>
          <p>{t("noActionsLead")}</p>
        </Empty>
      ) : (
        <>
          <Card className="timeline-scrub">
            <Scrubber />
            <Ruler />
            <Sound recording={recording} isLive={of === "sessions"} />
          </Card>
          <div className="timeline-columns">
            <Actions />
            <div className="timeline-side">
              <Said />
              <Causes />
              <StateThen />
            </div>
          </div>
        </>
      )}
    </>
  );
}

function Head({ of, name, recording }: Source & { recording: RecordingView | undefined }) {
  const t = useText(texts);
  const isOver = useTimeline(({ reading }) => reading === "over");
  const count = useTimeline(({ rows }) => rows.length);
  const isReading = useTimeline(({ reading, error }) => reading === "reading" && error === null);
  const isKnown = useTimeline(({ rows, error }) => rows.length > 0 || error === null);
  const locale = useLocale();
  // A newer hub may have more of them.
  const ending = (why: string): string => (`ended_${why}` in texts.en ? t(`ended_${why}` as keyof typeof texts.en) : why);
  return (
    <header className="timeline-head">
      <div>
        <a href={href({ view: "time" })}>← {t("back")}</a>
        <h1>
          {of === "sessions"
            ? t("liveSession", { name: name.length > 14 ? `${name.slice(0, 12)}…` : name })
            : recording === undefined
              ? t("recording")
              : t("recordingOf", { when: new Date(recording.started_at * 1000).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" }) })}
        </h1>
        <p className="timeline-facts" role="status" aria-busy={isReading}>
          {isReading ? t("reading", { count }) : isKnown ? t("actions", { count }) : null}
          {of === "sessions" && isOver && <Badge kind="warning">{t("over")}</Badge>}
          {recording !== undefined && <span>{t("ofSession", { name: recording.session })}</span>}
          {recording?.why_ended != null && <Badge>{ending(recording.why_ended)}</Badge>}
          {recording !== undefined && recording.lost_audio_ms > 0 && (
            <Badge kind="warning">{t("lostAudio", { time: clock(recording.lost_audio_ms) })}</Badge>
          )}
          {recording !== undefined && recording.unread_texts > 0 && (
            <Badge kind="warning">{t("unreadTexts", { count: recording.unread_texts })}</Badge>
          )}
        </p>
      </div>
      <Row>{recording !== undefined && <Download recording={recording} />}</Row>
    </header>
  );
}

function Troubles({ of, name }: Source) {
  const t = useText(texts);
  const error = useTimeline((timeline) => timeline.error);
  const isCut = useTimeline((timeline) => timeline.isCut);
  const hasText = useTimeline((timeline) => timeline.hasText);
  const count = useTimeline(({ rows }) => rows.length);
  const isOver = useTimeline(({ reading }) => reading === "over");
  if (error?.isGone === true) {
    const [title, lead] = of === "sessions" ? (["goneSession", "goneSessionLead"] as const) : (["goneRecording", "goneRecordingLead"] as const);
    return (
      <Empty title={t(title)}>
        <p>{t(lead)}</p>
        {of === "sessions" && <ToRecording name={name} />}
      </Empty>
    );
  }
  return (
    <>
      {error !== null && <Trouble text={error.message} />}
      {of === "sessions" && isOver && <Over name={name} />}
      {isCut && <p className="timeline-note">{t("cut", { count })}</p>}
      {!hasText && <p className="timeline-note">{t("wordsHidden")}</p>}
    </>
  );
}

/** A session that was closed while one looked: where to go on. */
function Over({ name }: { name: string }) {
  const t = useText(texts);
  return (
    <p className="timeline-note">
      {t("overLead")} <ToRecording name={name} />
    </p>
  );
}

function ToRecording({ name }: { name: string }) {
  const t = useText(texts);
  const { data } = useResource<RecordingsAnswer>("/v1/recordings");
  const [known, know] = useState<string | null>(null);
  useEffect(() => {
    let isCurrent = true;
    void publicName(name).then((found) => {
      if (isCurrent) {
        know(found);
      }
    });
    return () => {
      isCurrent = false;
    };
  }, [name]);
  const recording = data?.recordings.find(({ session }) => session === name || session === known);
  return recording && <a href={linkTo("recordings", recording.name)}>{t("toRecording")}</a>;
}

/** The reader of this past, as long as it is shown. */
function useTraveller({ of, name }: Source): void {
  const dispatch = useDispatch();
  useEffect(() => {
    const timeline = (): Timeline => store.getState().timeline ?? NO_TIMELINE;
    const traveller = new Traveller({ of, name }, dispatch, timeline);
    let stood = -1;
    const stop = store.subscribe(() => {
      const now = timeline();
      if (now.rows.length > 0 && now.place !== stood) {
        stood = now.place;
        traveller.look();
      }
    });
    return () => {
      stop();
      traveller.close();
    };
  }, [dispatch, of, name]);
}
