// The whole run in one strip: where which kind of work was done, what went wrong, what was lost, and a brush to look closer.

import { hatched, sized } from "./draw.js";

const LANES = ["llm", "tool", "exec", "patch", "test", "decide", "note"];
const LANE_PX = 6, TOP_PX = 8, HEIGHT = 60, DRAG_PX = 4;

export class Overview {
  #cells = null; #bad = null; #drag = null;

  constructor(canvas, zoom) {
    this.canvas = canvas;
    this.zoom = zoom;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#finish(event));
    canvas.addEventListener("dblclick", () => zoom.reset());
  }

  /** Count what lies in which column, after the data or the width have changed. */
  gather({ steps, kindOf, isFrame }) {
    const width = Math.max(1, Math.floor(this.canvas.clientWidth));
    const { min, max } = this.zoom;
    const cells = LANES.map(() => new Uint16Array(width)), bad = new Uint8Array(width);
    const column = (at) => Math.max(0, Math.min(width - 1, Math.floor(((at - min) / (max - min)) * width)));
    for (let step = 0; step < steps.count; step++) {
      const n = steps.first[step], to = column(steps.open[step] ? max : steps.end[step]);
      if (steps.bad[step]) bad[to] = 1;
      if (isFrame(n)) continue;
      const lane = cells[LANES.indexOf(kindOf(n))];
      if (!lane) continue;
      for (let x = column(steps.start[step]); x <= to; x++) if (lane[x] < 65_535) lane[x]++;
    }
    this.#cells = cells;
    this.#bad = bad;
  }

  draw({ theme, store }) {
    if (!this.#cells) return;
    const width = this.#cells[0].length, pen = sized(this.canvas, width, HEIGHT);
    LANES.forEach((kind, lane) => {
      pen.fillStyle = theme.kinds[kind];
      // Stretches of the same density are one rectangle.
      const depths = this.#cells[lane];
      for (let x = 0; x < width; ) {
        const depth = Math.min(3, depths[x]);
        let to = x + 1;
        while (to < width && Math.min(3, depths[to]) === depth) to++;
        if (depth) {
          pen.globalAlpha = 0.4 + 0.2 * depth;
          pen.fillRect(x, TOP_PX + lane * (LANE_PX + 1), to - x, LANE_PX);
        }
        x = to;
      }
    });
    pen.globalAlpha = 1;
    this.#drawGaps(pen, theme, store, width);
    pen.fillStyle = theme.bad;
    for (let x = 0; x < width; x++) {
      if (!this.#bad[x]) continue;
      pen.fillRect(x, 6, 1, HEIGHT - 6);
      pen.beginPath();
      pen.moveTo(x - 3, 0);
      pen.lineTo(x + 4, 0);
      pen.lineTo(x + 0.5, 6);
      pen.fill();
    }
    this.#drawBrush(pen, theme, width);
  }

  #drawGaps(pen, theme, store, width) {
    const { min, max } = this.zoom, xOf = (at) => ((at - min) / (max - min)) * width;
    for (const gap of store.degraded) {
      const from = xOf(gap.from_us), wide = Math.max(4, xOf(gap.to_us) - from);
      pen.fillStyle = hatched(pen, theme.warn);
      pen.fillRect(from, 0, wide, HEIGHT);
      pen.fillStyle = theme.warn;
      pen.fillRect(from, 0, wide, 2);
      const said = gap.count ? `▲ ${gap.count} lost` : `▲ ${gap.reason.replaceAll("_", " ")}`;
      pen.font = `11px ${theme.font}`;
      const long = pen.measureText(said).width + 6, x = Math.min(from + 1, width - long);
      pen.fillStyle = theme.sheet;
      pen.fillRect(x, HEIGHT - 15, long, 15);
      pen.fillStyle = theme.warn;
      pen.fillText(said, x + 3, HEIGHT - 4);
    }
  }

  #drawBrush(pen, theme, width) {
    const { min, max, from, to, whole } = this.zoom;
    if (whole && !this.#drag) return;
    const [low, high] = this.#drag?.moved && !this.#drag.moving ? this.#stretch() : [from, to];
    const left = ((low - min) / (max - min)) * width, right = ((high - min) / (max - min)) * width;
    pen.globalAlpha = 0.65;
    pen.fillStyle = theme.ground;
    pen.fillRect(0, 0, left, HEIGHT);
    pen.fillRect(right, 0, width - right, HEIGHT);
    pen.globalAlpha = 1;
    pen.strokeStyle = theme.brand;
    pen.lineWidth = 2;
    pen.strokeRect(left + 1, 1, Math.max(2, right - left - 2), HEIGHT - 2);
    pen.lineWidth = 1;
  }

  #timeAt(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    const { min, max } = this.zoom;
    return min + (Math.max(0, Math.min(width, event.clientX - left)) / width) * (max - min);
  }

  #stretch() {
    return [Math.min(this.#drag.at, this.#drag.now), Math.max(this.#drag.at, this.#drag.now)];
  }

  #begin(event) {
    if (event.button !== 0) return;
    const at = this.#timeAt(event), { from, to, whole } = this.zoom;
    this.canvas.setPointerCapture(event.pointerId);
    this.#drag = { at, now: at, x: event.clientX, moved: false, moving: !whole && at > from && at < to, before: from };
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    drag.now = this.#timeAt(event);
    if (Math.abs(event.clientX - drag.x) >= DRAG_PX) drag.moved = true;
    if (!drag.moved) return;
    if (drag.moving) this.zoom.move(drag.before + drag.now - drag.at - this.zoom.from);
    else this.zoom.onChange();
  }

  #finish() {
    const drag = this.#drag;
    if (!drag) return;
    const [from, to] = this.#stretch();
    this.#drag = null;
    if (drag.moved && !drag.moving) this.zoom.set(from, to);
    else if (!drag.moved && !this.zoom.whole) this.zoom.move(drag.at - (this.zoom.from + this.zoom.to) / 2);
  }
}
