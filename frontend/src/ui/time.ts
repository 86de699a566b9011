/** Times as people read them. */

/** 83500 is `1:23.5`, 3723000 is `1:02:03.0`. */
export function clock(milliseconds: number, digits = 1): string {
  const unit = 10 ** digits;
  const all = Math.max(0, Math.round((milliseconds / 1000) * unit));
  const seconds = Math.floor(all / unit);
  const rest = digits === 0 ? "" : `.${String(all % unit).padStart(digits, "0")}`;
  const [hours, minutes, left] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const tail = `${String(left).padStart(2, "0")}${rest}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** 1234567 is `1.2 MB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ""}`;
}
