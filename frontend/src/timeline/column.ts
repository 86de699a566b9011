/** Many rows that only grow: a row more costs a page, not a copy of all. */

export interface Column<Row> {
  /** All full, but the last. */
  readonly pages: readonly (readonly Row[])[];
  readonly length: number;
}

/** Rows of one page. */
export const PAGE = 512;

export function empty<Row>(): Column<Row> {
  return { pages: [], length: 0 };
}

export function append<Row>(column: Column<Row>, rows: readonly Row[]): Column<Row> {
  if (rows.length === 0) {
    return column;
  }
  const pages = [...column.pages];
  let left = rows;
  const last = pages.at(-1);
  if (last !== undefined && last.length < PAGE) {
    pages[pages.length - 1] = [...last, ...left.slice(0, PAGE - last.length)];
    left = left.slice(PAGE - last.length);
  }
  for (let at = 0; at < left.length; at += PAGE) {
    pages.push(left.slice(at, at + PAGE));
  }
  return { pages, length: column.length + rows.length };
}

/** Without the oldest page. */
export function shorten<Row>({ pages, length }: Column<Row>): Column<Row> {
  return { pages: pages.slice(1), length: length - (pages[0]?.length ?? 0) };
}

export function rowAt<Row>({ pages }: Column<Row>, index: number): Row | undefined {
  return pages[Math.floor(index / PAGE)]?.[index % PAGE];
}

/** How many rows from the beginning on `isBefore` holds for; it holds for none after the first that it does not hold for. */
export function countWhile<Row>(column: Column<Row>, isBefore: (row: Row) => boolean): number {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rowAt(column, middle);
    if (row !== undefined && isBefore(row)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** The first `end` rows, or all of them. */
export function* rowsOf<Row>({ pages, length }: Column<Row>, end = length): Generator<Row, void> {
  let left = end;
  for (const page of pages) {
    for (const row of page) {
      if (left <= 0) {
        return;
      }
      left -= 1;
      yield row;
    }
  }
}
