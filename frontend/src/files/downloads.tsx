import { messageOf, request } from "../api.js";
import { download } from "../export/download.js";
import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { noticed, troubleOver } from "../store/notices.js";
import { Button, Card, Row } from "../ui/index.js";
import type { Result } from "./answers.js";
import { cues, type Format, FORMATS, MEDIA, written } from "./cues.js";
import { countOf, type Edits } from "./edits.js";

const NOTHING: Record<string, string> = {};

/** Formats whose names are no endings of files. */
const ENDINGS: Readonly<Record<string, string>> = { verbose_json: "verbose.json" };

/** The text as files: as the hub writes them, and with what was changed here. */
export function Downloads({ result, edits }: { result: Result; edits: Edits }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const count = countOf(edits);
  const stem = result.name.replace(/\.[^.]*$/, "") || result.name;
  const asHeard = (format: string, path: string): void => {
    request(path)
      .then(async (response) => {
        const media = response.headers.get("content-type")?.split(";")[0] ?? "text/plain";
        download(`${stem}.${ENDINGS[format] ?? format}`, media, await response.text());
        dispatch(troubleOver());
      })
      .catch((error: unknown) => dispatch(noticed("error", messageOf(error))));
  };
  const asEdited = (format: Format): void => {
    download(`${stem}.edited.${format}`, MEDIA[format], written(format, cues(result.segments ?? [], edits.texts)));
  };
  return (
    <Card title={t("download")}>
      <div className="files-saves">
        <small>{t("asHeard")}</small>
        <Row>
          {Object.entries(result.formats ?? NOTHING).map(([format, path]) => (
            <Button key={format} aria-label={t("saveAs", { format })} onClick={() => asHeard(format, path)}>
              {format}
            </Button>
          ))}
        </Row>
      </div>
      <div className="files-saves">
        <small>{count === 0 ? t("asEditedNone") : t("asEdited", { count })}</small>
        {count > 0 && (
          <Row>
            {FORMATS.map((format) => (
              <Button key={format} aria-label={t("saveEditedAs", { format })} onClick={() => asEdited(format)}>
                {format}
              </Button>
            ))}
          </Row>
        )}
      </div>
    </Card>
  );
}
