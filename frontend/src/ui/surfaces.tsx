/** What things are shown on. */

import { type ComponentProps, type ReactNode, useEffect, useId, useRef } from "react";

import { common } from "../i18n/common.js";
import { useText } from "../i18n/text.js";
import { Button } from "./controls.js";
import { useFocusKept } from "./focus.js";
import { sentence } from "./words.js";

export function Card({ title, actions, children, className = "", ...rest }: ComponentProps<"section"> & { title?: string; actions?: ReactNode }) {
  const id = useId();
  return (
    <section className={`card ${className}`} aria-labelledby={title === undefined ? undefined : id} {...rest}>
      {title !== undefined && (
        <header className="card-head">
          <h2 id={id}>{title}</h2>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

/** Nothing is here yet, and this is what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** A few words in the colour of how things are. */
export function Badge({ kind = "plain", children }: { kind?: "plain" | "good" | "warning" | "bad" | "accent"; children: ReactNode }) {
  return <span className={`badge badge-${kind}`}>{children}</span>;
}

/** Where a session is, by the hub's own word. */
export function Phase({ phase }: { phase: string }) {
  const t = useText(common);
  const key = `phase_${phase}`;
  // A newer hub may have more phases.
  return <Badge kind={phase === "speech" ? "accent" : "plain"}>{key in common.en ? t(key as keyof typeof common.en) : phase}</Badge>;
}

/** Something went wrong here, in the hub's words. */
export function Trouble({ text, onRetry }: { text: string; onRetry?: () => void }) {
  const t = useText(common);
  return (
    <div className="trouble" role="alert">
      <p>{sentence(text)}</p>
      {onRetry && <Button onClick={onRetry}>{t("retry")}</Button>}
    </div>
  );
}

export interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** Over everything else; Escape closes it. Its first control has the focus: let that be the harmless one. */
export function Dialog({ title, isOpen, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    if (isOpen) {
      ref.current?.showModal();
    } else {
      ref.current?.close();
    }
  }, [isOpen]);
  return (
    <dialog ref={ref} className="dialog" aria-labelledby={id} onClose={onClose}>
      {isOpen && (
        <>
          <h2 id={id}>{title}</h2>
          {children}
        </>
      )}
    </dialog>
  );
}

export interface Column<Row> {
  key: string;
  title: string;
  cell: (row: Row) => ReactNode;
  isNumber?: boolean;
}

export interface TableProps<Row> {
  /** What it is a table of. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
}

/** Scrolls sideways where it is wider than the page. */
export function Table<Row>({ caption, columns, rows, rowKey }: TableProps<Row>) {
  const body = useRef<HTMLTableSectionElement>(null);
  useFocusKept(body);
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={caption}>
      <table className="table">
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ key, title, isNumber }) => (
              <th key={key} scope="col" className={isNumber ? "number" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ key, cell, isNumber }) => (
                <td key={key} className={isNumber ? "number" : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
