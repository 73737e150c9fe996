// What stands in a row beside its bar: how deep it lies, what it is, what it says, how long it took.

import { count, duration, offset } from "./text.js";
import { wordOf } from "./tree.js";

const DEPTH_MAX = 14;

function element(tag, className, role) {
  const made = document.createElement(tag);
  made.className = className;
  if (role) made.setAttribute("role", role);
  return made;
}

/** An empty row. */
export function makeRow() {
  const row = element("div", "tl-row", "row");
  const label = element("span", "tl-label", "gridcell");
  const parts = { guides: element("span", "tl-guides"), twist: element("span", "tl-twist"), dot: element("i", "dot"), bad: element("span", "tl-bad"), word: element("span", "tl-word"), name: element("span", "tl-name"), line: element("span", "tl-line dim"), more: element("span", "tl-more faint") };
  for (const part of ["guides", "twist", "dot", "bad"]) parts[part].setAttribute("aria-hidden", "true");
  parts.bad.textContent = "✕";
  label.append(...Object.values(parts));
  const plot = element("span", "tl-plot", "gridcell"), when = element("span", "visually-hidden");
  plot.append(when);
  const took = element("span", "tl-took num dim", "gridcell");
  row.append(label, plot, took);
  row.parts = { ...parts, when, took };
  return row;
}

/** What a step says, from the lines of its events, as far as they are here. */
export function lineOf(view, step) {
  const { store, steps, lines } = view;
  const n = steps.first[step], m = steps.last[step];
  const name = nameOf(view, step);
  const said = [n, m].map((event) => (event >= 0 ? lines.get(store.id[event]) : ""));
  const [asked, answered] = said.map((line) => (line && line !== name ? line : ""));
  if (steps.bad[step] && answered) return answered;
  const type = store.text("type", n);
  if (type === "llm_request" || type === "exec_started" || type === "test_started") return answered || asked;
  return asked && answered && asked !== answered ? `${asked} → ${answered}` : answered || asked;
}

function nameOf({ store, steps }, step) {
  const m = steps.last[step];
  return store.text("name", steps.first[step]) || (m >= 0 ? store.text("name", m) : "");
}

/** Show a step in a row. */
export function fillRow(row, number, view) {
  const { store, steps, rows, laid, tree, selected, zoom } = view;
  const step = rows.step[number], n = steps.first[step], m = steps.last[step];
  const type = store.text("type", n), kind = view.kindOf(n);
  const inside = tree ? laid.size[step] : 0, folded = inside > 0 && view.isFolded(step);
  const { parts } = row;
  row.id = `r${number}`;
  row.dataset.row = number;
  row.className = `tl-row ${kind}${step === selected ? " is-selected" : ""}${store.level[n] === 0 ? " is-debug" : ""}`;
  row.setAttribute("aria-rowindex", number + 1);
  row.setAttribute("aria-selected", step === selected);
  if (tree) row.setAttribute("aria-level", laid.depth[step] + 1);
  else row.removeAttribute("aria-level");
  if (inside) row.setAttribute("aria-expanded", !folded);
  else row.removeAttribute("aria-expanded");
  parts.guides.style.width = `${tree ? Math.min(laid.depth[step], DEPTH_MAX) * 14 : 0}px`;
  parts.twist.textContent = inside ? (folded ? "▸" : "▾") : "";
  parts.twist.hidden = !tree;
  parts.dot.className = `dot ${kind}`;
  parts.bad.hidden = !steps.bad[step];
  const name = nameOf(view, step);
  parts.word.textContent = view.mode === "flat" ? type : type.startsWith("span_") && name ? "" : wordOf(type);
  parts.name.textContent = name;
  const status = store.text("status", m >= 0 ? m : n);
  const shown = kind === "decide" || (steps.bad[step] && status) ? status : "";
  const line = lineOf(view, step);
  parts.line.textContent = shown && line ? `${shown} ${line}` : line || shown;
  parts.more.textContent = folded ? `${count(inside)} inside${laid.bad[step] ? " ✕" : ""}` : "";
  const took = steps.end[step] - steps.start[step];
  const lasted = m >= 0 || store.took[n] >= 0;
  parts.took.textContent = store.timeless ? `#${store.id[n]}` : view.mode === "flat" ? offset(store.at[n]) : steps.open[step] ? (view.running ? "…" : "no end") : lasted ? duration(took) : "";
  const exact = offset(steps.start[step], (zoom.to - zoom.from) / 1_000);
  parts.took.title = store.timeless ? "" : lasted ? `${exact}, took ${duration(took)}` : exact;
  parts.when.textContent = `${store.timeless ? "" : exact}${steps.bad[step] ? ", went wrong" : ""}`;
}
