/** Numbers that are looked at. */

export interface MeterProps {
  label: string;
  /** From 0 to 1. */
  value: number;
  text?: string;
}

export function Meter({ label, value, text }: MeterProps) {
  const percent = Math.round(Math.max(0, Math.min(1, value)) * 100);
  return (
    <div className="meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent} aria-valuetext={text}>
      <div style={{ inlineSize: `${percent}%` }} />
    </div>
  );
}

export interface Series {
  name: string;
  values: readonly (number | null)[];
}

export interface ChartProps {
  /** What it shows, for those who hear the page. */
  label: string;
  series: readonly Series[];
  /** As a person reads a value. */
  format?: (value: number) => string;
  height?: number;
}

const WIDTH = 600;

/** Lines over time, the newest at the right. Values that are not known are left out. */
export function Chart({ label, series, format = String, height = 120 }: ChartProps) {
  const known = series.flatMap(({ values }) => values.filter((value) => value !== null));
  const top = Math.max(1e-9, ...known);
  const last = series.map(({ name, values }) => ({ name, value: values.findLast((value) => value !== null) ?? null }));
  const spoken = last.map(({ name, value }) => `${name} ${value === null ? "–" : format(value)}`).join(", ");
  return (
    <figure className="chart">
      <svg viewBox={`0 0 ${WIDTH} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${label}: ${spoken}`}>
        {[0.25, 0.5, 0.75].map((part) => (
          <line key={part} className="chart-grid" x1={0} x2={WIDTH} y1={height * part} y2={height * part} />
        ))}
        {series.map(({ name, values }, index) => (
          <path key={name} className={`chart-line chart-line-${index % 4}`} d={path(values, top, height)} />
        ))}
      </svg>
      <figcaption>
        {last.map(({ name, value }, index) => (
          <span key={name} className={`chart-key chart-key-${index % 4}`}>
            {name} <b>{value === null ? "–" : format(value)}</b>
          </span>
        ))}
        <span className="chart-top">↑ {format(known.length === 0 ? 0 : top)}</span>
      </figcaption>
    </figure>
  );
}

/** One small line within a row of text. */
export function Spark({ label, values }: { label: string; values: readonly (number | null)[] }) {
  const top = Math.max(1e-9, ...values.filter((value) => value !== null));
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} 100`} preserveAspectRatio="none" role="img" aria-label={label}>
      <path className="chart-line chart-line-0" d={path(values, top, 100)} />
    </svg>
  );
}

function path(values: readonly (number | null)[], top: number, height: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  let isDown = false;
  return values
    .map((value, index) => {
      if (value === null) {
        isDown = false;
        return "";
      }
      const command = isDown ? "L" : "M";
      isDown = true;
      return `${command}${(index * step).toFixed(1)} ${(height - 2 - (value / top) * (height - 6)).toFixed(1)}`;
    })
    .join("");
}
