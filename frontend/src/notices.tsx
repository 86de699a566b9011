import { useEffect, useRef } from "react";

import { common } from "./i18n/common.js";
import { useText } from "./i18n/text.js";
import { useDispatch, useSelector } from "./store/hooks.js";
import { noticeRead } from "./store/notices.js";
import { sentence, useFocusKept } from "./ui/index.js";

/** Milliseconds for which good news is shown; bad news stays until it was read, left behind or made good. */
const SHOWN = 4_000;

export function Notices() {
  const t = useText(common);
  const dispatch = useDispatch();
  const notices = useSelector((state) => state.notices);
  const list = useRef<HTMLDivElement>(null);
  useFocusKept(list);
  useEffect(() => {
    const good = notices.find(({ kind }) => kind === "good");
    if (good === undefined) {
      return undefined;
    }
    const timer = setTimeout(() => dispatch(noticeRead(good.id)), SHOWN);
    return () => clearTimeout(timer);
  }, [notices, dispatch]);
  return (
    <div ref={list} className="notices" role="region" aria-label={t("notices")} aria-live="polite">
      {notices.map(({ id, kind, text }) => (
        <div key={id} className={`notice notice-${kind}`}>
          <p>{sentence(text)}</p>
          <button type="button" className="button button-quiet" aria-label={t("dismiss")} onClick={() => dispatch(noticeRead(id))}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
