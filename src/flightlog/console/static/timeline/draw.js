// The waterfall: one canvas behind the rows in view, a bar for what takes time and a tick for what does not.

import { offset } from "./text.js";
import { ROW_PX } from "./rows.js";

const KINDS = { llm: "--k-llm", tool: "--k-tool", exec: "--k-exec", patch: "--k-patch", test: "--k-test", decide: "--k-decide", log: "--k-log", metric: "--k-metric", note: "--k-note", err: "--bad", lost: "--warn" };
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5,
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400].map((seconds) => seconds * 1e6)];
const LABEL_PX = 74, BAR_PX = 12, NARROW_PX = 2;

/** The colours of the theme, read anew when it changes. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const made = { kinds: {}, ink: read("--ink"), faint: read("--ink-3"), rule: read("--rule"), strong: read("--rule-strong"), bad: read("--bad"), warn: read("--warn"), brand: read("--brand"), sheet: read("--sheet"), ground: read("--ground"), font: read("--font") };
  for (const [kind, name] of Object.entries(KINDS)) made.kinds[kind] = read(name);
  return made;
}

/** Make the canvas as large as this, in device pixels; returns its context with the scale set and nothing drawn. */
export function sized(canvas, width, height, styled = false) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    [canvas.width, canvas.height] = [w, h];
    if (styled) [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

/** The moments at which a line of the grid stands, and how far they are apart. */
export function grid(zoom, width) {
  const wanted = ((zoom.to - zoom.from) / Math.max(1, width)) * LABEL_PX;
  const step = STEPS.find((size) => size >= wanted) ?? Math.ceil(wanted / 86_400e6) * 86_400e6;
  const moments = [];
  for (let at = Math.ceil(zoom.from / step) * step; at <= zoom.to; at += step) moments.push(at);
  return { step, moments };
}

/** The scale above the waterfall. */
export function drawAxis(canvas, zoom, theme, timeless) {
  const width = canvas.clientWidth, height = 24;
  const pen = sized(canvas, width, height);
  const { step, moments } = grid(zoom, width);
  pen.font = `11px ${theme.font}`;
  pen.fillStyle = theme.faint;
  pen.textBaseline = "middle";
  if (timeless) {
    pen.fillText("In order: these events have no times of their own", 6, 12);
    return;
  }
  for (const at of moments) {
    const x = ((at - zoom.from) / (zoom.to - zoom.from)) * width;
    pen.fillRect(Math.round(x), 18, 1, 6);
    if (x < width - 50) pen.fillText(at === 0 ? "0" : offset(at, step).slice(1), x + 3, 11);
  }
}

/** A pattern of slanted lines for what was lost. */
export function hatched(pen, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const inner = tile.getContext("2d");
  inner.strokeStyle = colour;
  inner.globalAlpha = 0.5;
  inner.beginPath();
  for (const shift of [-8, 0, 8]) {
    inner.moveTo(shift, 8);
    inner.lineTo(shift + 8, 0);
  }
  inner.stroke();
  return pen.createPattern(tile, "repeat");
}

/** Draw the rows from `first` to `end` (one past the last). `view` has what they show and where. */
export function drawRows(canvas, view, first, end) {
  const { zoom, theme, plot, steps, rows, store, selected, partner } = view;
  const width = plot.width, height = Math.max(1, (end - first) * ROW_PX);
  const pen = sized(canvas, width, height, true);
  canvas.style.transform = `translate(${plot.x}px, ${first * ROW_PX}px)`;
  const scale = width / (zoom.to - zoom.from);
  const xOf = (at) => (at - zoom.from) * scale;
  drawGrid(pen, view, xOf, height);
  if (store.degraded.length) drawGaps(pen, view, xOf, height);
  for (let row = first; row < end; row++) {
    const step = rows.step[row];
    const from = xOf(steps.start[step]), to = xOf(steps.open[step] ? zoom.max : steps.end[step]);
    if (to < -8 || from > width + 8) {
      drawBeyond(pen, theme, from > width, width, (row - first) * ROW_PX);
      continue;
    }
    drawBar(pen, view, step, Math.max(from, -4), Math.min(to, width + 4), (row - first) * ROW_PX);
  }
  if (partner >= 0 && selected >= 0) drawJoin(pen, view, xOf, first, end);
}

function drawGrid(pen, { zoom, theme, plot, store }, xOf, height) {
  if (store.timeless) return;
  pen.fillStyle = theme.rule;
  for (const at of grid(zoom, plot.width).moments) pen.fillRect(Math.round(xOf(at)), 0, 1, height);
}

function drawGaps(pen, { store, theme }, xOf, height) {
  pen.fillStyle = hatched(pen, theme.warn);
  for (const gap of store.degraded) {
    const from = xOf(gap.from_us);
    pen.fillRect(from, 0, Math.max(3, xOf(gap.to_us) - from), height);
  }
}

function drawBar(pen, { theme, steps, kindOf, isHolder }, step, from, to, top) {
  const colour = theme.kinds[kindOf(steps.first[step])];
  const bad = steps.bad[step], y = top + (ROW_PX - BAR_PX) / 2;
  pen.fillStyle = colour;
  if (to - from < NARROW_PX) {
    pen.fillRect(Math.round(from) - 1, y - 1, NARROW_PX, BAR_PX + 2);
  } else if (isHolder(step)) {
    // What only holds other steps is a thin line with ends, so that the work stands out.
    pen.fillRect(from, y + BAR_PX / 2 - 2, to - from, 4);
    pen.fillRect(from, y + 1, 2, BAR_PX - 2);
    if (!steps.open[step]) pen.fillRect(to - 2, y + 1, 2, BAR_PX - 2);
  } else {
    pen.globalAlpha = steps.open[step] ? 0.35 : 1;
    pen.beginPath();
    pen.roundRect(from, y, to - from, BAR_PX, 2);
    pen.fill();
    pen.globalAlpha = 1;
    if (steps.open[step]) {
      pen.setLineDash([4, 3]);
      pen.strokeStyle = colour;
      pen.strokeRect(from + 0.5, y + 0.5, to - from - 1, BAR_PX - 1);
      pen.setLineDash([]);
    }
  }
  if (bad) drawBad(pen, theme, from, to, y);
}

function drawBad(pen, theme, from, to, y) {
  pen.strokeStyle = theme.bad;
  pen.lineWidth = 1.5;
  if (to - from >= NARROW_PX) pen.strokeRect(from - 1, y - 1.5, to - from + 2, BAR_PX + 3);
  const x = to + 5, size = 3;
  pen.beginPath();
  pen.moveTo(x, y + BAR_PX / 2 - size);
  pen.lineTo(x + 2 * size, y + BAR_PX / 2 + size);
  pen.moveTo(x + 2 * size, y + BAR_PX / 2 - size);
  pen.lineTo(x, y + BAR_PX / 2 + size);
  pen.stroke();
  pen.lineWidth = 1;
}

function drawBeyond(pen, theme, right, width, top) {
  const x = right ? width - 6 : 6, way = right ? 4 : -4;
  pen.fillStyle = theme.strong;
  pen.beginPath();
  pen.moveTo(x + way, top + ROW_PX / 2);
  pen.lineTo(x, top + ROW_PX / 2 - 3);
  pen.lineTo(x, top + ROW_PX / 2 + 3);
  pen.fill();
}

// The request and its answer, in a list where they are rows of their own.
function drawJoin(pen, { steps, rows, theme, selected, partner }, xOf, first, end) {
  const [one, other] = [rows.at[selected], rows.at[partner]];
  if (one < 0 || other < 0 || Math.max(one, other) < first || Math.min(one, other) >= end) return;
  const y = (row) => (row - first + 0.5) * ROW_PX;
  const x = Math.max(1.5, Math.min(xOf(steps.start[selected]), xOf(steps.start[partner])) - 7);
  pen.strokeStyle = theme.brand;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(xOf(steps.start[selected]) - 2, y(one));
  pen.lineTo(x, y(one));
  pen.lineTo(x, y(other));
  pen.lineTo(xOf(steps.start[partner]) - 2, y(other));
  pen.stroke();
  pen.lineWidth = 1;
}
