import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { href } from "../router.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import { Badge, Button, Card, Meter, size } from "../ui/index.js";
import { type Upload, uploadsTidied } from "./slice.js";
import { uploads } from "./uploads.js";

const LOOKS = { waiting: "plain", sending: "accent", done: "good", failed: "bad", cancelled: "plain" } as const;

const NAMES = {
  waiting: "uploadWaiting",
  sending: "uploadSending",
  done: "uploadDone",
  failed: "uploadFailed",
  cancelled: "uploadCancelled",
} as const;

/** Files on their way, and those of this visit that have come. */
export function UploadList() {
  const t = useText(texts);
  const dispatch = useDispatch();
  const list = useSelector((state) => state.files?.uploads) ?? [];
  if (list.length === 0) {
    return null;
  }
  const isBusy = list.some((one) => one.state === "waiting" || one.state === "sending");
  return (
    <Card
      title={t("uploads")}
      actions={
        <Button kind="quiet" disabled={list.every((one) => one.state === "waiting" || one.state === "sending")} onClick={() => dispatch(uploadsTidied())}>
          {t("tidy")}
        </Button>
      }
    >
      <ul className="files-list" aria-busy={isBusy}>
        {list.map((one) => (
          <Line key={one.key} upload={one} />
        ))}
      </ul>
    </Card>
  );
}

function Line({ upload }: { upload: Upload }) {
  const t = useText(texts);
  const { name, state, sent, task } = upload;
  const share = upload.size === 0 ? 0 : sent / upload.size;
  const isUnderWay = state === "waiting" || state === "sending";
  return (
    <li className="files-upload" data-testid="upload">
      <span className="files-name">{task === null ? name : <a href={href({ view: "files", id: task })}>{name}</a>}</span>
      <Badge kind={LOOKS[state]}>{upload.isKnown ? t("uploadKnown") : t(NAMES[state])}</Badge>
      {state === "sending" && (
        <>
          <Meter label={t("uploadOf", { name })} value={share} />
          <small>{t("sentOf", { sent: size(sent), size: size(upload.size) })}</small>
        </>
      )}
      {upload.error !== null && (
        <small className="files-error" role="alert">
          {upload.error}
        </small>
      )}
      {isUnderWay && (
        <Button kind="quiet" aria-label={t("stopUpload", { name })} onClick={() => uploads.cancel(upload.key)}>
          {t("stop")}
        </Button>
      )}
    </li>
  );
}
