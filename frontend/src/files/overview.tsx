import { useEffect, useState } from "react";

import { ApiError, json, messageOf } from "../api.js";
import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { repeat } from "../repeat.js";
import { Card, Trouble } from "../ui/index.js";
import type { Formats, Model } from "./answers.js";
import { Drop } from "./drop.js";
import { HistoryCard } from "./history.js";
import { UploadList } from "./upload_list.js";

/** What the hub says it takes; or why it takes none. */
type Offer = { formats: Formats; models: readonly Model[] } | { off: string } | { trouble: string };

export function Overview() {
  const t = useText(texts);
  const [offer, setOffer] = useState<Offer>();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const look = async (): Promise<void> => {
      try {
        setOffer(await ask(signal));
      } catch (error) {
        // Whoever runs the hub has to do something first.
        if (!(error instanceof ApiError && error.code === "jobs-unavailable")) {
          throw error;
        }
        setOffer({ off: error.message });
      }
    };
    void repeat(look, { signal, onFailure: (error) => setOffer({ trouble: messageOf(error) }) });
    return () => abort.abort();
  }, [turn]);
  return (
    <>
      <div className="files-lead">
        <h1>{t("title")}</h1>
        <p>{t("lead")}</p>
      </div>
      {offer === undefined && <p className="loading">{t("asking")}</p>}
      {offer !== undefined && "trouble" in offer && <Trouble text={offer.trouble} onRetry={() => setTurn(turn + 1)} />}
      {offer !== undefined && "off" in offer && <Off message={offer.off} />}
      {offer !== undefined && "formats" in offer && (
        <>
          <Drop formats={offer.formats} models={offer.models} />
          <UploadList />
          <HistoryCard />
        </>
      )}
    </>
  );
}

/** One after the other: where the hub takes no files, one refusal says so. */
async function ask(signal: AbortSignal): Promise<Offer> {
  const formats = await json<Formats>("/api/asr/formats", { signal });
  const { models } = await json<{ models: Model[] }>("/api/asr/models", { signal });
  return { formats, models };
}

/** What whoever runs the hub can do about it. */
function Off({ message }: { message: string }) {
  const t = useText(texts);
  return (
    <Card title={t("offTitle")}>
      <p>{t("offLead")}</p>
      <ol className="files-steps">
        <li>
          {t("offInstall")}
          <pre>pip install &quot;asr-hub[jobs]&quot;</pre>
        </li>
        <li>
          {t("offEnable")}
          <pre>{"jobs:\n  enabled: on"}</pre>
        </li>
        <li>{t("offRestart")}</li>
      </ol>
      <p>{t("offMeanwhile")}</p>
      <details>
        <summary>{t("offSaid")}</summary>
        <p className="files-said">{message}</p>
      </details>
    </Card>
  );
}
