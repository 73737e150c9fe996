// What the timeline answers to: keys, buttons, clicks on rows.

import { key } from "../keys.js";
import { ROW_PX } from "./rows.js";

const CLOSER = 0.6;

/** Bind all of them to what they do. */
export function bindKeys({ box, scroll, view, zoom, rows, panel, choose, chooseRow, open, fold, foldAll, setMode }) {
  const here = () => (view.selected < 0 ? -1 : view.rows.at[view.selected]);
  const step = (by) => chooseRow(here() < 0 && by > 0 ? Math.ceil(scroll.scrollTop / ROW_PX) : here() + by);
  const toNext = (by, test) => choose(view.next(by, test), { middle: true });
  // What went wrong itself comes before the spans that say so again.
  const isWrong = (one) => view.steps.bad[one] === 1, isBad = (one) => isWrong(one) && !view.isHolder(one);
  const toError = (by) => toNext(by, view.steps.bad.some((_, one) => isBad(one)) ? isBad : isWrong);
  const typeOf = (one) => view.store.type[view.steps.first[one]];
  const sameKind = (by) => view.selected >= 0 && toNext(by, (one) => typeOf(one) === typeOf(view.selected));
  const turn = () => setMode(view.mode === "tree" ? "flat" : "tree");

  key("j", "Next step", () => step(1));
  key("k", "Previous step", () => step(-1));
  key("e", "Next error", () => toError(1));
  key("E", "Previous error", () => toError(-1));
  key("Enter", "Open the selected step", () => open(true));
  key("]", "Next of the same kind", () => sameKind(1));
  key("[", "Previous of the same kind", () => sameKind(-1));
  key("t", "Tree or flat", turn);
  key("+", "Zoom in", () => zoom.by(CLOSER));
  key("-", "Zoom out", () => zoom.by(1 / CLOSER));
  key("0", "The whole run", () => zoom.reset());
  key("f", "Zoom to the steps in view", fit);

  // The steps in view, without those that hold others: these are longer than what one looks at.
  function fit() {
    const top = Math.floor(scroll.scrollTop / ROW_PX), end = Math.min(view.rows.count, top + rows.page + 1);
    const { start, end: ends, first } = view.steps;
    const seen = Array.from({ length: Math.max(0, end - top) }, (_, n) => view.rows.step[top + n]);
    const work = seen.filter((one) => !view.isHolder(one)), all = work.length ? work : seen;
    if (!all.length) return;
    const from = Math.min(...all.map((one) => start[one])), to = Math.max(...all.map((one) => ends[one])), rim = (to - from) * 0.02;
    zoom.set(from - rim, to + rim);
  }

  // A step that can be unfolded is; else the way leads into it, or out of it.
  const into = () => {
    const one = view.selected;
    if (!view.tree || one < 0 || !view.laid.size[one]) return;
    if (view.isFolded(one)) fold(one, false);
    else chooseRow(here() + 1);
  };
  const out = () => {
    const one = view.selected;
    if (!view.tree || one < 0) return;
    if (view.laid.size[one] && !view.isFolded(one)) fold(one, true);
    else choose(view.steps.parent[one]);
  };
  const moves = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    PageDown: () => chooseRow(Math.max(here(), 0) + rows.page),
    PageUp: () => chooseRow(here() - rows.page),
    Home: () => chooseRow(0),
    End: () => chooseRow(view.rows.count - 1),
    ArrowRight: into,
    ArrowLeft: out,
    Enter: () => open(true),
    " ": () => view.tree && view.selected >= 0 && view.laid.size[view.selected] && fold(view.selected, !view.isFolded(view.selected)),
  };
  scroll.addEventListener("keydown", (event) => {
    const run = moves[event.key];
    if (!run || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    run();
  });

  scroll.addEventListener("click", (event) => {
    const row = event.target.closest(".tl-row");
    if (!row) return;
    const one = view.rows.step[Number(row.dataset.row)];
    if (event.target.closest(".tl-twist") && view.laid?.size[one]) {
      fold(one, !view.isFolded(one));
      return;
    }
    chooseRow(Number(row.dataset.row));
    if (panel.id === null) open(false);
  });

  box.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.mode && button.dataset.mode !== view.mode) turn();
    if (button?.dataset.zoom === "in") zoom.by(CLOSER);
    if (button?.dataset.zoom === "out") zoom.by(1 / CLOSER);
    if (button?.dataset.zoom === "all") zoom.reset();
    if (button?.dataset.zoom === "fit") fit();
    if (button?.id === "tl-fold") foldAll(!view.foldAll);
    if (button?.id === "tl-error") toError(1);
  });
}
