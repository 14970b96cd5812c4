/* Numbers as the server packs them, and the columns of a source that grows. */

const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array };

/* A list of numbers, or a list of lists for a table. Every machine that runs a browser is little-endian. */
export function unpack({ type, shape, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const numbers = Array.from(new KINDS[type](bytes.buffer));
  if (shape.length === 1) return numbers;
  return Array.from({ length: shape[0] }, (_, row) => numbers.slice(row * shape[1], (row + 1) * shape[1]));
}

/* Rows by column. The server thins a long source to every 2nd, 4th, ... row; here the same rows are dropped. */
export class Columns {
  constructor() {
    this.count = 0;
    this.index = [];
    this.step = [];
    this.time = [];
    this.names = [];
    this.values = [];
    this.finer = null;
  }

  take({ count, stride, names, ...packed }) {
    this.keep((index) => index % stride === 0);
    const index = unpack(packed.index), values = unpack(packed.values);
    const order = (names || values.map((_, column) => String(column + 1))).map((name) => this.column(name));
    this.index.push(...index);
    this.step.push(...unpack(packed.step));
    this.time.push(...unpack(packed.time));
    order.forEach((column, place) => column.push(...values[place]));
    for (const column of this.values) while (column.length < this.index.length) column.push(NaN);
    this.count = count;
  }

  /* The values under a name, which may be new: it was not measured before. */
  column(name) {
    let place = this.names.indexOf(name);
    if (place < 0) {
      place = this.names.push(name) - 1;
      this.values.push(this.index.map(() => NaN));
    }
    return this.values[place];
  }

  keep(isKept) {
    if (this.index.every(isKept)) return;
    const kept = this.index.map(isKept), pick = (list) => list.filter((_, place) => kept[place]);
    [this.step, this.time] = [pick(this.step), pick(this.time)];
    this.values = this.values.map(pick);
    this.index = pick(this.index);
  }

  /* What is drawn: these rows, and between two moments finer ones where the server has sent some. */
  drawn() {
    if (!this.finer) return this;
    const { index } = this.finer, first = index[0], last = index[index.length - 1];
    const before = this.index.findIndex((each) => each >= first), after = this.index.findIndex((each) => each > last);
    const join = (own, fine) => [
      ...own.slice(0, before < 0 ? own.length : before), ...fine, ...(after < 0 ? [] : own.slice(after)),
    ];
    return {
      names: this.names,
      step: join(this.step, this.finer.step),
      time: join(this.time, this.finer.time),
      values: this.values.map((own, place) => join(own, this.finer.values[place] || index.map(() => NaN))),
    };
  }

  takeFiner(rows) {
    const index = rows ? unpack(rows.index) : [];
    if (!index.length) { this.finer = null; return; }
    const values = unpack(rows.values);
    const named = rows.names ? this.names.map((name) => values[rows.names.indexOf(name)]) : values;
    this.finer = { index, step: unpack(rows.step), time: unpack(rows.time), values: named };
  }
}
