import { useEffect, useState } from "react";

import { giveKey, onKeyWanted } from "./api.js";
import { common } from "./i18n/common.js";
import { useText } from "./i18n/text.js";
import { keyAnswered, keyAsked } from "./store/access.js";
import { useDispatch, useSelector } from "./store/hooks.js";
import { Button, Dialog, Field, Row } from "./ui/index.js";

/** Who waits for the answer. No state: a function is no fact. */
let answer: ((given: string | null) => void) | undefined;

/** Asks for a key when the hub wants one. */
export function KeyPrompt() {
  const t = useText(common);
  const dispatch = useDispatch();
  const { isAsked, isWrong } = useSelector((state) => state.access);
  const [typed, type] = useState("");
  useEffect(() => {
    onKeyWanted(async (wasWrong) => {
      dispatch(keyAsked({ isWrong: wasWrong }));
      const given = await new Promise<string | null>((resolve) => {
        answer = resolve;
      });
      dispatch(keyAnswered({ isDeclined: given === null || given === "" }));
      return given;
    });
  }, [dispatch]);
  const done = (given: string | null): void => {
    type("");
    answer?.(given);
    answer = undefined;
  };
  return (
    <Dialog title={t("keyTitle")} isOpen={isAsked} onClose={() => done(null)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          done(typed.trim());
        }}
      >
        {isWrong && <p role="alert">{t("keyWrong")}</p>}
        <Field
          label={t("keyLabel")}
          hint={t("keyLead")}
          type="password"
          autoComplete="off"
          required
          autoFocus
          value={typed}
          onChange={(event) => type(event.target.value)}
        />
        <Row>
          <Button kind="primary" type="submit">
            {t("keyUse")}
          </Button>
          <Button onClick={() => done(null)}>{t("cancel")}</Button>
        </Row>
      </form>
    </Dialog>
  );
}

/** Where the person went on without a key: how to give one after all. */
export function KeyMissing() {
  const t = useText(common);
  const isDeclined = useSelector(({ access }) => access.isDeclined && !access.isAsked);
  return (
    <div role="status">
      {isDeclined && (
        <p className="key-missing">
          {t("keyMissing")} <Button onClick={() => void giveKey()}>{t("keyGive")}</Button>
        </p>
      )}
    </div>
  );
}
