/** A state as a tree; what the action changed is marked, and open. */

import { useState } from "react";

import { timeline as texts } from "../i18n/timeline.js";
import { useText } from "../i18n/text.js";
import { type Change, key, parts } from "./diff.js";

/** Parts of one thing that are shown; what changed is always among them. */
const MOST_PARTS = 60;

/** Characters of one value. */
const MOST_CHARS = 160;

type Marked = ReadonlyMap<string, Change | null>;

export function Tree({ value, marked }: { value: unknown; marked: Marked }) {
  const t = useText(texts);
  return (
    <div className="timeline-tree" tabIndex={0} role="group" aria-label={t("state")}>
      <Parts value={value} path={[]} marked={marked} />
    </div>
  );
}

function Parts({ value, path, marked }: { value: unknown; path: readonly string[]; marked: Marked }) {
  const t = useText(texts);
  const names = Object.keys(parts(value) ?? {});
  const known = parts(value) ?? {};
  const shown = names.filter((name, index) => index >= names.length - MOST_PARTS || marked.has(key([...path, name])));
  return (
    <ul>
      {shown.map((name) => (
        <Node key={name} name={name} value={known[name]} path={[...path, name]} marked={marked} />
      ))}
      {shown.length < names.length && (
        <li>
          <small>{t("andMore", { count: names.length - shown.length })}</small>
        </li>
      )}
    </ul>
  );
}

interface NodeProps {
  name: string;
  value: unknown;
  path: readonly string[];
  marked: Marked;
}

function Node({ name, value, path, marked }: NodeProps) {
  const t = useText(texts);
  const change = marked.get(key(path));
  const isMarked = change !== undefined;
  const [isOpen, setOpen] = useState(isMarked);
  const mark = isMarked ? (change === null ? "timeline-within" : "timeline-changed") : undefined;
  const inner = parts(value);
  if (inner === null || Object.keys(inner).length === 0) {
    return (
      <li className={mark}>
        <span className="timeline-name">{name}</span> <Value value={value} />
        {change?.before !== undefined && (
          <small>
            {" "}
            {t("was")} <Value value={change.before} isOld />
          </small>
        )}
      </li>
    );
  }
  return (
    <li className={mark}>
      <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span className="timeline-name">{name}</span> <small>{summary(value, inner)}</small>
        </summary>
        {isOpen && <Parts value={value} path={path} marked={marked} />}
      </details>
    </li>
  );
}

function summary(value: unknown, inner: object): string {
  const count = Object.keys(inner).length;
  return Array.isArray(value) ? `[${count}]` : `{${count}}`;
}

/** A value in one line. */
export function Value({ value, isOld = false }: { value: unknown; isOld?: boolean }) {
  const whole = JSON.stringify(value);
  const text = whole.length > MOST_CHARS ? `${whole.slice(0, MOST_CHARS)}…` : whole;
  return isOld ? <del>{text}</del> : <code>{text}</code>;
}
