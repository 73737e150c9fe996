// The rows that are in view, and no others: elements are used again as the list scrolls under them.

export const ROW_PX = 26;
const SPARE = 8;

/** `count()` rows in `box`, filled by `fill(element, row)`; `onWindow(first, end)` is called when others come into view. */
export class Rows {
  first = 0; end = 0;
  #live = new Map(); #free = []; #asked = 0; #height = 0;

  constructor({ box, list, make, fill, onWindow }) {
    Object.assign(this, { box, list, make, fill, onWindow });
    this.total = 0;
    this.#height = box.clientHeight;
    box.addEventListener("scroll", () => this.#soon(), { passive: true });
    new ResizeObserver(() => {
      this.#height = box.clientHeight;
      this.#soon();
    }).observe(box);
  }

  /** How many rows fit. */
  get page() {
    return Math.max(1, Math.floor(this.#height / ROW_PX) - 1);
  }

  /** Whether the last row is in view. */
  get atEnd() {
    return this.box.scrollTop + this.#height >= this.total * ROW_PX - ROW_PX;
  }

  /** There are `total` rows now, and what they show may have changed. */
  reset(total) {
    if (total !== this.total) this.list.style.height = `${total * ROW_PX}px`;
    this.total = total;
    this.#place(true);
  }

  /** Fill those in view anew. */
  refresh() {
    for (const [row, element] of this.#live) this.fill(element, row);
  }

  /** The element of a row, if it is in view. */
  element(row) {
    return this.#live.get(row);
  }

  /** Scroll so that the row is in view. */
  show(row, middle = false) {
    const top = row * ROW_PX, box = this.box;
    if (top < box.scrollTop || top + ROW_PX > box.scrollTop + this.#height) {
      if (middle) box.scrollTop = top - this.#height / 2 + ROW_PX;
      else box.scrollTop = top < box.scrollTop ? top : top + ROW_PX - this.#height;
      this.#place(false);
    }
  }

  #soon() {
    if (!this.#asked) this.#asked = requestAnimationFrame(() => this.#place(false));
  }

  #place(all) {
    cancelAnimationFrame(this.#asked);
    this.#asked = 0;
    const top = Math.floor(this.box.scrollTop / ROW_PX);
    const first = Math.max(0, Math.min(top - SPARE, this.total));
    const end = Math.min(this.total, top + Math.ceil(this.#height / ROW_PX) + SPARE + 1);
    if (!all && first === this.first && end === this.end) return;
    for (const [row, element] of this.#live) {
      if (row >= first && row < end) continue;
      this.#live.delete(row);
      this.#free.push(element);
    }
    for (let row = first; row < end; row++) {
      let element = this.#live.get(row);
      if (element && !all) continue;
      element ??= this.#take(row);
      this.fill(element, row);
    }
    for (const element of this.#free) element.hidden = true;
    [this.first, this.end] = [first, end];
    this.onWindow(first, end);
  }

  #take(row) {
    let element = this.#free.pop();
    if (!element) {
      element = this.make();
      this.list.append(element);
    }
    element.hidden = false;
    element.style.transform = `translateY(${row * ROW_PX}px)`;
    this.#live.set(row, element);
    return element;
  }
}
