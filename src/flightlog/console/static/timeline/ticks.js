// Where in the list things went wrong, beside the scrollbar; a click goes there.

import { sized } from "./draw.js";

const WIDTH = 9;

export class Ticks {
  #rows = [];

  constructor(canvas, onPick) {
    this.canvas = canvas;
    canvas.addEventListener("click", (event) => {
      const at = event.clientY - canvas.getBoundingClientRect().top;
      const near = this.#rows.reduce((best, row) => (Math.abs(this.#y(row) - at) < Math.abs(this.#y(best) - at) ? row : best), this.#rows[0]);
      if (near !== undefined) onPick(near);
    });
  }

  /** Draw the rows in which something went wrong or was lost; of those that share a pixel, one is enough. */
  draw({ rows, steps, theme, kindOf }) {
    const height = this.canvas.parentElement.clientHeight, pen = sized(this.canvas, WIDTH, height);
    this.#rows = [];
    this.total = rows.count;
    this.height = height;
    let last = -1;
    for (let row = 0; row < rows.count; row++) {
      const step = rows.step[row], lost = kindOf(steps.first[step]) === "lost";
      if (!steps.bad[step] && !lost) continue;
      const y = Math.floor(this.#y(row));
      if (y === last) continue;
      last = y;
      this.#rows.push(row);
      pen.fillStyle = lost ? theme.warn : theme.bad;
      pen.fillRect(lost ? 3 : 0, y - 1, lost ? WIDTH - 3 : WIDTH, 2);
    }
  }

  #y(row) {
    return ((row + 0.5) / Math.max(this.total, 1)) * this.height;
  }
}
