// The timeline of a run: reads it in pieces, draws it from the first of them, and answers to the keyboard and the pointer.

import { follow, fetchPage, swap } from "../live.js";
import { panel } from "../panel.js";
import { Store, read } from "./data.js";
import { colours, drawAxis, drawRows } from "./draw.js";
import { bindKeys } from "./gestures.js";
import { fillRow, makeRow } from "./label.js";
import { Lines } from "./lines.js";
import { Model } from "./model.js";
import { Overview } from "./overview.js";
import { Rows } from "./rows.js";
import { count } from "./text.js";
import { Ticks } from "./ticks.js";
import { Zoom, zoomable } from "./zoom.js";

const REBUILD_MS = 180, URL_MS = 250, HEAD_MS = 2_000;
const $ = (id) => document.getElementById(id);
const box = $("timeline"), scroll = $("tl-scroll"), note = $("tl-note"), news = $("tl-news");
const { href, kinds } = box.dataset;

const store = new Store();
const zoom = new Zoom(() => draw(true));
const view = new Model(store, zoom, kinds);
view.lines = new Lines(box.dataset.lines, () => rows.refresh());
view.theme = colours();
view.plot = { x: 0, left: 0, width: 1 };

const bars = document.createElement("canvas");
bars.className = "tl-bars";
bars.setAttribute("aria-hidden", "true");
const overview = new Overview($("tl-overview"), zoom);
const ticks = new Ticks($("tl-ticks"), (row) => chooseRow(row));
let loaded = false, painted = false, timer = null, urlTimer = null, headAt = 0, behind = 0, wantedId = 0, unread = false;

box.hidden = false;
scroll.prepend(bars);
const rows = new Rows({
  box: scroll,
  list: $("tl-rows"),
  make: makeRow,
  fill: (element, row) => fillRow(element, row, view),
  onWindow: (first, end) => {
    drawRows(bars, view, first, end);
    wantLines(first, end);
    if (rows?.atEnd && behind) noNews();
  },
});

// ── drawing ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function measure() {
  const axis = $("tl-axis").getBoundingClientRect(), edge = scroll.getBoundingClientRect();
  view.plot = { x: axis.left - edge.left, left: axis.left, width: Math.max(1, axis.width) };
}

function draw(zoomed = false) {
  if (!view.rows) return;
  drawAxis($("tl-axis"), zoom, view.theme, store.timeless);
  drawRows(bars, view, rows.first, rows.end);
  overview.draw(view);
  if (zoomed) remember();
}

function wantLines(first, end) {
  const ids = [];
  for (let row = first; row < end; row++) {
    const step = view.rows.step[row];
    for (const n of [view.steps.first[step], view.steps.last[step]]) if (n >= 0 && (!view.isFrame(n) || !view.isHolder(step))) ids.push(store.id[n]);
  }
  view.lines.want(ids);
}

/** Show what the store holds now. */
function rebuild() {
  clearTimeout(timer);
  timer = null;
  zoom.extend(...store.extent);
  view.rebuild();
  if (wantedId) chooseWanted();
  arranged();
  if (!painted && store.count) firstPaint();
}

/** Show the rows after they were made anew. */
function arranged() {
  measure();
  overview.gather(view);
  scroll.setAttribute("aria-rowcount", view.rows.count);
  rows.reset(view.rows.count);
  ticks.draw(view);
  draw();
  tell();
  activate();
}

function tell() {
  const shown = view.rows.count, all = store.count;
  const what = view.mode === "flat" ? "events" : "steps";
  const wrong = view.steps.bad.some(Boolean);
  $("tl-error").hidden = !wrong;
  $("tl-count").textContent = !loaded ? `${count(all)} of ${count(store.head.events)} events …` : view.filtered ? `${count(shown)} ${what} match` : `${count(shown)} ${view.mode === "flat" ? "events" : `rows, ${count(all)} events`}`;
  note.hidden = shown > 0 || (all > 0 && !loaded);
  note.textContent = unread ? "The query can't be read." : all && view.filtered ? "Nothing here matches." : loaded ? "No events yet. They appear here as they come." : "Reading the run …";
  for (const button of box.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === view.mode);
  $("tl-fold").hidden = !view.tree;
  $("tl-fold").textContent = view.foldAll ? "Unfold all" : "Fold all";
  $("tl-took").textContent = store.timeless ? "Id" : view.mode === "flat" ? "At" : "Took";
}

function firstPaint() {
  painted = true;
  whenPainted("flightlog:first-paint");
}

// For whoever measures.
const whenPainted = (name) => requestAnimationFrame(() => setTimeout(() => performance.mark(name)));

// ── going from row to row ──────────────────────────────────────────────────────────────────────────────────────────────

function activate() {
  const row = view.selected < 0 ? -1 : view.rows.at[view.selected];
  if (row >= 0 && rows.element(row)) scroll.setAttribute("aria-activedescendant", `r${row}`);
  else scroll.removeAttribute("aria-activedescendant");
}

/** Select an event; the panel goes along when it is open. */
function choose(event, { middle = false, follow: along = true } = {}) {
  view.select(event);
  const before = view.rows;
  view.reveal();
  if (view.rows !== before) arranged();
  const step = view.selected, row = step < 0 ? -1 : view.rows.at[step];
  if (row >= 0) {
    rows.show(row, middle);
    zoom.show(view.steps.start[step], view.steps.end[step]);
  }
  rows.refresh();
  drawRows(bars, view, rows.first, rows.end);
  activate();
  if (along && panel.id !== null && step >= 0) open(false);
}

const chooseStep = (step, how) => step >= 0 && choose(view.steps.first[step], how);
const chooseRow = (row) => {
  const to = Math.max(0, Math.min(view.rows.count - 1, row));
  if (to >= 0) chooseStep(view.rows.step[to]);
};

/** Open the selected step in the panel. */
function open(focus) {
  if (view.selected < 0) return;
  const id = store.id[view.telling(view.selected)];
  const was = panel.id;
  panel.open(id, { focus });
  remember(was === null);
}

function chooseWanted() {
  const event = store.find(wantedId);
  if (event < 0) return;
  wantedId = 0;
  // Once there are rows to scroll among.
  requestAnimationFrame(() => choose(event, { middle: true, follow: false }));
}

panel.onclose = () => remember(true);
panel.onmove = (id) => {
  const event = store.find(id);
  if (event >= 0) choose(event, { follow: false });
  remember();
};

function fold(step, on) {
  view.fold(step, on);
  view.arrange();
  arranged();
}

function setMode(mode) {
  view.mode = mode;
  view.rebuild();
  arranged();
  if (view.event >= 0) choose(view.event, { middle: true, follow: false });
  else scroll.scrollTop = 0;
  remember();
}

function foldAll(on) {
  view.foldAll = on;
  view.folded.clear();
  view.arrange();
  arranged();
  if (view.event >= 0) choose(view.event, { follow: false });
  remember();
}

// ── filters ────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function applyFilter(params) {
  const query = params.get("q") ?? "";
  unread = false;
  const found = query ? await idsOf(query).catch(() => (unread = true) && new Set()) : null;
  view.filter({ types: params.get("types") ?? "", level: params.get("level") ?? "", found });
  if (!store.count) return;
  view.arrange();
  arranged();
  scroll.scrollTop = 0;
}

/** The ids of the events that a query finds in this run. */
async function idsOf(query, afterId = 0, into = new Set()) {
  const url = new URL(href, location.href);
  url.searchParams.set("q", query);
  if (afterId) url.searchParams.set("afterId", afterId);
  await read(url, { onHead: () => {}, onChunk: (chunk) => {
    let id = 0;
    for (const delta of chunk.id) into.add((id += delta));
  } });
  return into;
}

document.addEventListener("click", (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const chip = event.target.closest("#kinds .choice");
  if (!chip) return;
  event.preventDefault();
  for (const other of document.querySelectorAll("#kinds .choice")) other.removeAttribute("aria-current");
  chip.setAttribute("aria-current", "true");
  const wanted = new URL(chip.href).searchParams, url = new URL(location.href);
  for (const name of ["types", "level"]) {
    if (wanted.has(name)) url.searchParams.set(name, wanted.get(name));
    else url.searchParams.delete(name);
    keepInForm(name, wanted.get(name) ?? "");
  }
  history.pushState({}, "", url);
  applyFilter(url.searchParams);
});

// The next query is sent with what is shown now.
function keepInForm(name, value) {
  const form = document.querySelector("form.asking");
  let field = form?.querySelector(`input[type="hidden"][name="${name}"]`);
  if (!field && form) {
    field = document.createElement("input");
    [field.type, field.name] = ["hidden", name];
    form.append(field);
  }
  if (!field) return;
  field.value = value;
  field.disabled = value === "";
}

// ── the address ────────────────────────────────────────────────────────────────────────────────────────────────────────

function remember(push = false) {
  clearTimeout(urlTimer);
  const write = () => {
    const url = new URL(location.href), set = (name, value) => (value ? url.searchParams.set(name, value) : url.searchParams.delete(name));
    set("mode", view.mode === "flat" ? "flat" : "");
    set("fold", view.foldAll ? "all" : "");
    set("from", zoom.whole ? "" : Math.floor(zoom.from).toString());
    set("to", zoom.whole ? "" : Math.ceil(zoom.to).toString());
    set("id", panel.id === null ? "" : String(panel.id));
    for (const name of ["event", "afterId"]) url.searchParams.delete(name);
    url.hash = "";
    if (url.href === location.href) return;
    if (push) history.pushState({}, "", url);
    else history.replaceState(history.state, "", url);
  };
  if (push) write();
  else urlTimer = setTimeout(write, URL_MS);
}

function fromAddress() {
  const params = new URL(location.href).searchParams;
  view.mode = params.get("mode") === "flat" ? "flat" : "tree";
  view.foldAll = params.get("fold") === "all";
  wantedId = Number(params.get("id") ?? box.dataset.open ?? 0) || 0;
  if (wantedId && panel.id !== wantedId) panel.open(wantedId);
  else if (!wantedId && panel.id !== null) panel.close();
  return params;
}

function zoomFrom(params) {
  if (params.has("from") && params.has("to")) zoom.set(Number(params.get("from")), Number(params.get("to")));
  else if (!zoom.whole) zoom.reset();
}

addEventListener("popstate", async () => {
  const params = fromAddress();
  view.rebuild();
  await applyFilter(params);
  zoomFrom(params);
});

// ── reading and following ──────────────────────────────────────────────────────────────────────────────────────────────

async function load() {
  const params = fromAddress();
  const filtered = applyFilter(params);
  await read(href, {
    onHead: (head) => {
      store.begin(head);
      view.running = head.status === "running";
    },
    onChunk: (chunk) => {
      store.add(chunk);
      if (!painted) rebuild();
      else timer ??= setTimeout(rebuild, REBUILD_MS);
    },
  });
  await filtered;
  loaded = true;
  rebuild();
  zoomFrom(params);
  whenPainted("flightlog:loaded");
}

async function refresh() {
  if (!loaded) return;
  const follows = rows.atEnd, before = view.rows.count;
  const url = new URL(href, location.href);
  url.searchParams.set("afterId", store.lastId);
  const query = view.found ? new URL(location.href).searchParams.get("q") : "";
  if (query) await idsOf(query, store.lastId, view.found);
  await read(url, { onHead: (head) => {
    store.begin(head);
    view.running = head.status === "running";
  }, onChunk: (chunk) => store.add(chunk) });
  rebuild();
  const came = view.rows.count - before;
  if (follows) rows.show(view.rows.count - 1);
  else if (came > 0) hasNews(came);
  if (performance.now() - headAt > HEAD_MS || !view.running) await refreshHead();
}

async function refreshHead() {
  headAt = performance.now();
  const page = await fetchPage(location.href);
  swap("head", page);
  swap("kinds", page);
}

function hasNews(came) {
  behind += came;
  news.hidden = false;
  news.textContent = `${count(behind)} new ↓`;
}

function noNews() {
  behind = 0;
  news.hidden = true;
}

news.addEventListener("click", () => {
  view.select(-1);
  rows.refresh();
  rows.show(view.rows.count - 1);
  noNews();
});

function failed(error) {
  note.hidden = false;
  note.textContent = `The timeline could not be read: ${error.message}. The Events tab has the same as a list.`;
}

const resized = () => view.rows && arranged();
addEventListener("flightlog:layout", resized);
new ResizeObserver(resized).observe($("tl-overview"));
const recolour = () => {
  view.theme = colours();
  draw();
  if (view.rows) ticks.draw(view);
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
new MutationObserver(recolour).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

zoomable(scroll, zoom, () => view.plot);
bindKeys({ box, scroll, view, zoom, rows, panel, choose: chooseStep, chooseRow, open, fold, foldAll, setMode });
load().then(() => follow(refresh), failed);
