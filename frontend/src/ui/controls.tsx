/** What is pressed, picked and typed into. */

import { type ComponentProps, type MouseEvent, type ReactNode, useId } from "react";

export interface ButtonProps extends ComponentProps<"button"> {
  /** `primary`: what one came for, once in a view. */
  kind?: "primary" | "plain" | "quiet" | "danger";
}

/** One that is disabled keeps the focus, which the keyboard would lose to nowhere when what it did is done. */
export function Button({ kind = "plain", type = "button", className = "", disabled = false, onClick, ...rest }: ButtonProps) {
  const pressed = (event: MouseEvent<HTMLButtonElement>): void => {
    if (disabled) {
      event.preventDefault();
    } else {
      onClick?.(event);
    }
  };
  return <button type={type} className={`button button-${kind} ${className}`} aria-disabled={disabled || undefined} onClick={pressed} {...rest} />;
}

interface Labelled {
  label: string;
  /** Said below the control, and to those who hear the page. */
  hint?: string | undefined;
}

export function Field({ label, hint, ...rest }: ComponentProps<"input"> & Labelled) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} className="input" aria-describedby={hint === undefined ? undefined : `${id}-hint`} {...rest} />
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

export interface Option {
  value: string;
  text: string;
  disabled?: boolean;
}

export interface SelectProps extends Omit<ComponentProps<"select">, "onChange">, Labelled {
  options: readonly Option[];
  onPick: (value: string) => void;
  /** The label is for those who hear the page only. */
  isLabelHidden?: boolean;
}

export function Select({ label, hint, options, onPick, isLabelHidden = false, ...rest }: SelectProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id} className={isLabelHidden ? "hidden" : undefined}>
        {label}
      </label>
      <select id={id} className="input" onChange={(event) => onPick(event.target.value)} {...rest}>
        {options.map(({ value, text, disabled }) => (
          <option key={value} value={value} disabled={disabled}>
            {text}
          </option>
        ))}
      </select>
      {hint !== undefined && <small>{hint}</small>}
    </div>
  );
}

export interface SwitchProps {
  label: string;
  isOn: boolean;
  onSwitch: (isOn: boolean) => void;
  disabled?: boolean;
}

export function Switch({ label, isOn, onSwitch, disabled = false }: SwitchProps) {
  return (
    <label className="switch">
      <input type="checkbox" role="switch" checked={isOn} disabled={disabled} onChange={(event) => onSwitch(event.target.checked)} />
      <span>{label}</span>
    </label>
  );
}

/** A few choices side by side, of which one holds. */
export function Choices({ label, value, options, onPick, disabled = false }: Omit<SelectProps, "value"> & { value: string }) {
  const name = useId();
  return (
    <fieldset className="choices" disabled={disabled}>
      <legend>{label}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              disabled={option.disabled}
              onChange={() => onPick(option.value)}
            />
            <span>{option.text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** A row of controls that wraps. */
export function Row({ children, className = "" }: { children: ReactNode; className?: string }) {
  return <div className={`row ${className}`}>{children}</div>;
}
