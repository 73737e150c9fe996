// The palette: pages, runs and actions by a few letters of their names; and the list of keys.

import { key, listKeys } from "./keys.js";

const ASK_MS = 120, RECENT_MAX = 8, FOUND_MAX = 8;
const RECENT = "flightlog.recent";
const PLACES = [["Runs", "/"], ["Traces", "/traces"], ["Events", "/events"], ["Audit", "/audit"], ["Tasks", "/tasks"], ["Dead letters", "/deadletters"], ["Replays of dead letters", "/deadletters/plans"], ["Analytics", "/stats"], ["SQL", "/sql"], ["Compare two runs", "/compare"], ["Attributes that were not mapped", "/unmapped"], ["Retention and legal holds", "/retention"], ["Event types, as JSON", "/api/catalogue"], ["Health, as JSON", "/api/health"]];
const actions = [];
let dialog = null, input = null, list = null, items = [], active = 0, timer = null, asking = null;

// ── what there is ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const palette = {
  /** Offer `label` in the palette of this page; `run()` is called when it is chosen. */
  add(label, run) {
    actions.push({ label, run, detail: "action" });
  },

  /** Open the palette. */
  open() {
    build();
    if (dialog.open) return;
    input.value = "";
    dialog.showModal();
    offer();
  },
};

const go = (href) => () => location.assign(href);
const runHref = (id) => `/runs/${encodeURIComponent(id).replaceAll("%2F", "/")}`;

function recent() {
  try {
    const found = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one?.id === "string") : [];
  } catch {
    return [];
  }
}

/** Keep a run in mind, so that the palette offers it first. */
export function remember(id, name) {
  const others = recent().filter((one) => one.id !== id);
  try {
    localStorage.setItem(RECENT, JSON.stringify([{ id, name }, ...others].slice(0, RECENT_MAX)));
  } catch {
    // Storage is switched off: nothing is offered first.
  }
}

function known() {
  const saved = [...document.querySelectorAll("#rail a.view")].map((link) => ({ label: link.textContent, run: go(link.href), detail: "saved view" }));
  return [
    ...recent().map((one) => ({ label: one.name || one.id, run: go(runHref(one.id)), detail: "recent run", id: one.id })),
    ...PLACES.map(([label, href]) => ({ label, run: go(href), detail: "page" })),
    ...saved,
    ...actions,
  ];
}

// All words have to be found, in any order.
function matches(label, text) {
  const low = label.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}

const begins = ({ label }, text) => label.toLowerCase().startsWith(text.toLowerCase());

// ── offering ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function offer(found = []) {
  const text = input.value.trim();
  const here = known().filter((one) => !text || matches(one.label, text) || (one.id && one.id.startsWith(text)));
  // What begins with the text comes before what only has it somewhere.
  here.sort((a, b) => begins(b, text) - begins(a, text));
  const ids = new Set(here.map((one) => one.id).filter(Boolean));
  show([...here, ...found.filter((one) => !ids.has(one.id)), ...(text ? byText(text) : [])]);
}

function byText(text) {
  const made = [{ label: `Filter the runs by ${text}`, run: go(`/?${new URLSearchParams({ q: text })}`), detail: "runs" }];
  if (/^[0-9a-f]{8}-[0-9a-f-]{20,40}$/i.test(text)) made.unshift({ label: `Event ${text}`, run: go(`/events/${text}`), detail: "event" }, { label: `Task ${text}`, run: go(`/tasks/${text}`), detail: "task" });
  return made;
}

function show(all) {
  items = all;
  active = 0;
  list.replaceChildren(...all.map(row));
  if (!all.length) list.append(Object.assign(document.createElement("li"), { className: "faint", textContent: "Nothing is called so." }));
  mark();
}

function row({ label, detail }, n) {
  const item = document.createElement("li"), name = document.createElement("span"), kind = document.createElement("span");
  item.id = `palette-${n}`;
  item.setAttribute("role", "option");
  name.textContent = label;
  kind.textContent = detail;
  kind.className = "faint";
  item.append(name, kind);
  return item;
}

function mark() {
  for (const [n, item] of [...list.children].entries()) item.setAttribute("aria-selected", n === active && items.length > 0);
  if (items.length) input.setAttribute("aria-activedescendant", `palette-${active}`);
  else input.removeAttribute("aria-activedescendant");
  list.children[active]?.scrollIntoView({ block: "nearest" });
}

function searchSoon() {
  clearTimeout(timer);
  asking?.abort();
  offer();
  if (input.value.trim()) timer = setTimeout(search, ASK_MS);
}

async function search() {
  const mine = (asking = new AbortController()), text = input.value.trim();
  // As text, whatever it looks like: a name may hold the signs of the language.
  const q = text.split(/\s+/).map((word) => `"${word.replace(/["\\]/g, "\\$&")}"`).join(" ");
  try {
    const answer = await fetch(`/api/runs?${new URLSearchParams({ q, limit: FOUND_MAX })}`, { signal: mine.signal });
    if (!answer.ok || mine.signal.aborted) return;
    const { runs } = await answer.json();
    offer(runs.map((run) => ({ label: run.name ?? run.run_id, run: go(runHref(run.run_id)), detail: `${run.hung ? "hung" : run.status} run`, id: run.run_id })));
  } catch (error) {
    if (error.name !== "AbortError") console.warn("Flightlog: runs could not be searched", error);
  }
}

// ── the dialog ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function build() {
  if (dialog) return;
  dialog = document.createElement("dialog");
  input = document.createElement("input");
  list = document.createElement("ul");
  dialog.className = "palette";
  dialog.setAttribute("aria-label", "Go to");
  const attributes = { role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", "aria-label": "A page, a run, an id or an action", placeholder: "A page, a run, an id or an action", autocomplete: "off", spellcheck: "false", enterkeyhint: "go" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  list.id = "palette-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Choices");
  dialog.append(input, list);
  document.body.append(dialog);
  input.addEventListener("input", searchSoon);
  input.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.isComposing || (!by && event.key !== "Enter")) return;
    event.preventDefault();
    if (event.key === "Enter") choose(active);
    else if (items.length) {
      active = (active + by + items.length) % items.length;
      mark();
    }
  });
  list.addEventListener("click", (event) => choose([...list.children].indexOf(event.target.closest("li"))));
  closable(dialog);
  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    asking?.abort();
  });
}

function choose(n) {
  const chosen = items[n];
  if (!chosen) return;
  dialog.close();
  chosen.run();
}

/** Close a dialog by a press beside it. */
export function closable(box) {
  box.addEventListener("pointerdown", (event) => {
    const { left, right, top, bottom } = box.getBoundingClientRect();
    if (event.target === box && (event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom)) box.close();
  });
}

// ── the keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const CHORD = isMac ? "⌘ K" : "Ctrl K";

function showKeys() {
  const box = document.createElement("dialog"), title = document.createElement("h2"), all = document.createElement("dl");
  title.id = "keys-title";
  title.textContent = "Keys on this page";
  for (const [name, label] of [[CHORD, "Go to a page, a run or an action"], ...listKeys()]) {
    const keys = document.createElement("dt"), what = document.createElement("dd");
    for (const one of name.split(" ").filter(Boolean)) keys.append(Object.assign(document.createElement("kbd"), { textContent: one }));
    if (name === " ") keys.append(Object.assign(document.createElement("kbd"), { textContent: "Space" }));
    what.textContent = label;
    all.append(keys, what);
  }
  const close = Object.assign(document.createElement("button"), { className: "btn", textContent: "Close" });
  close.addEventListener("click", () => box.close());
  box.className = "box keys";
  box.setAttribute("aria-labelledby", title.id);
  box.append(title, all, close);
  box.addEventListener("close", () => box.remove());
  closable(box);
  document.body.append(box);
  box.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  if (dialog?.open) dialog.close();
  else if (!document.querySelector("dialog[open]")) palette.open();
});

const opener = document.getElementById("palette");
opener.querySelector("kbd").textContent = CHORD;
opener.hidden = false;
opener.addEventListener("click", () => palette.open());

key("?", "List the keys", showKeys);
key("g r", "Go to the runs", go("/"));
key("g t", "Go to the traces", go("/traces"));
key("g e", "Go to the events", go("/events"));
key("g n", "Go to the numbers", go("/stats"));
key("g a", "Go to the audit records", go("/audit"));
key("g k", "Go to the tasks", go("/tasks"));
key("g d", "Go to the dead letters", go("/deadletters"));
key("g c", "Go to compare", go("/compare"));
palette.add("List the keys", showKeys);
