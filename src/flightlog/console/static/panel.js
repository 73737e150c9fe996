// The panel beside a page: one event in full, asked for by its place in commit order. It is docked at the right edge, as wide as
// its reader left it, and a sheet over everything on a narrow screen. Links with `data-panel` open in it wherever they are.

import { key } from "./keys.js";
import { fetchPage } from "./live.js";

const WIDTH_MIN = 320, WIDTH_MAX = 1_100, WIDTH_FIRST = 440, STEP_PX = 24, FOLLOW_MS = 90, SAID_MS = 2_500;
const root = document.documentElement;
let dock = null, edge = null, content = null, said = null, shown = null, came = null, turn = 0, waiting = null;

const remember = (name, value) => {
  try {
    localStorage.setItem(`flightlog.${name}`, value);
  } catch {
    // It holds for this page only.
  }
};
const remembered = (name) => {
  try {
    return localStorage.getItem(`flightlog.${name}`);
  } catch {
    return null;
  }
};

function element(tag, props, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
}

// ── width ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const widest = () => Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, innerWidth - 420));

function setWidth(px) {
  const width = Math.round(Math.max(WIDTH_MIN, Math.min(widest(), px)));
  root.style.setProperty("--dock", `${width}px`);
  edge.setAttribute("aria-valuenow", width);
  edge.setAttribute("aria-valuemax", widest());
  return width;
}

const width = () => Number(edge.getAttribute("aria-valuenow"));

function resizable() {
  edge.setAttribute("role", "separator");
  edge.setAttribute("aria-orientation", "vertical");
  edge.setAttribute("aria-controls", "dock");
  edge.setAttribute("aria-label", "Width of the panel");
  edge.setAttribute("aria-valuemin", WIDTH_MIN);
  edge.addEventListener("pointerdown", (event) => {
    edge.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  edge.addEventListener("pointermove", (event) => {
    if (edge.hasPointerCapture(event.pointerId)) changed(setWidth(innerWidth - event.clientX));
  });
  edge.addEventListener("pointerup", () => remember("panel", width()));
  edge.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: width() + STEP_PX, ArrowRight: width() - STEP_PX, Home: WIDTH_MAX, End: WIDTH_MIN }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    remember("panel", changed(setWidth(to)));
  });
  addEventListener("resize", () => setWidth(Number(remembered("panel")) || WIDTH_FIRST));
}

function changed(value) {
  dispatchEvent(new Event("flightlog:layout"));
  return value;
}

// ── building ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function build() {
  if (dock) return;
  edge = element("div", { className: "dock-edge", tabIndex: 0 });
  content = element("div", { className: "dock-content", tabIndex: -1 });
  dock = element("div", { className: "dock", id: "dock", hidden: true }, edge, content);
  document.body.append(dock);
  resizable();
  // Below the top of the page, as long as that is in view.
  const below = () => root.style.setProperty("--dock-top", `${Math.max(0, document.querySelector("main").getBoundingClientRect().top)}px`);
  addEventListener("scroll", below, { passive: true });
  addEventListener("resize", below);
  below();
  setWidth(Number(remembered("panel")) || WIDTH_FIRST);
}

function say(text) {
  said ??= document.body.appendChild(element("p", { className: "toast", hidden: true }));
  said.setAttribute("role", "status");
  said.hidden = false;
  said.textContent = text;
  clearTimeout(said.timer);
  said.timer = setTimeout(() => (said.hidden = true), SAID_MS);
}

/** Make the buttons of a panel (or of a whole page) work that do nothing without scripts. */
export function enhance(place) {
  for (const button of place.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  const views = place.querySelector(".views[hidden]");
  if (views && place.querySelector("#panel-pretty")) {
    views.hidden = false;
    look(place, remembered("view") === "raw" ? "raw" : "pretty");
  }
}

function look(place, view) {
  for (const button of place.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === view);
  for (const name of ["pretty", "raw"]) {
    const section = place.querySelector(`#panel-${name}`);
    if (section) section.hidden = name !== view;
  }
}

// ── copying ────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function copy(source) {
  const { copy: what, text, here } = source.dataset;
  try {
    const value = here ? location.href : text ?? (what === "json" ? await jsonAt(source.href) : source.href);
    await navigator.clipboard.writeText(value);
    say(`Copied: ${what}`);
  } catch {
    if (source.href) location.assign(source.href);
    else say("This browser does not let a page copy");
  }
}

async function jsonAt(url) {
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return response.text();
}

document.addEventListener("click", (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const source = event.target.closest("[data-copy], [data-view], [data-panel], .dock .close");
  if (!source) return;
  event.preventDefault();
  if (source.dataset.copy) copy(source);
  else if (source.dataset.view) {
    look(source.closest(".panel"), source.dataset.view);
    remember("view", source.dataset.view);
  } else if (source.dataset.panel) {
    panel.open(Number(source.dataset.panel));
    panel.onmove?.(panel.id);
  } else panel.close();
});

// ── opening and closing ────────────────────────────────────────────────────────────────────────────────────────────────

const isSheet = () => matchMedia("(max-width: 900px)").matches;

async function load(id) {
  const mine = ++turn;
  const page = await fetchPage(`/panel/${id}`);
  if (mine !== turn || shown !== id) return; // another was opened meanwhile, or none
  const fresh = document.adoptNode(page.getElementById("panel"));
  const close = element("button", { className: "close plain", type: "button", textContent: "✕", title: "Close (Esc)" });
  close.setAttribute("aria-label", "Close");
  const held = content.contains(document.activeElement);
  fresh.querySelector("header").append(close);
  enhance(fresh);
  content.replaceChildren(fresh);
  content.scrollTop = 0;
  if (held) content.focus({ preventScroll: true });
}

export const panel = {
  /** Called with nothing after the panel was closed. */
  onclose: null,
  /** Called with the id after the panel went to another event by itself. */
  onmove: null,

  /** The event that is shown, or null. */
  get id() {
    return shown;
  },

  /** Show the event at this place in commit order; `focus` moves the keyboard's focus there until it is closed. */
  open(id, { focus = false } = {}) {
    build();
    const before = shown;
    if (before === null) came = document.activeElement;
    shown = id;
    dock.hidden = false;
    document.body.classList.add("docked");
    if (before === null) changed();
    if (focus || isSheet()) content.focus({ preventScroll: true });
    clearTimeout(waiting);
    return new Promise((done) => {
      waiting = setTimeout(() => done(load(id).catch(() => failed(id))), before === null ? 0 : FOLLOW_MS);
    });
  },

  /** Close it, and give the focus back. */
  close() {
    if (shown === null) return;
    const inside = dock.contains(document.activeElement) || document.activeElement === document.body;
    shown = null;
    clearTimeout(waiting);
    dock.hidden = true;
    content.replaceChildren();
    document.body.classList.remove("docked");
    changed();
    panel.onclose?.();
    if (inside && came?.isConnected) came.focus({ preventScroll: true });
  },
};

function failed(id) {
  if (shown !== id) return;
  const note = element("p", { className: "dim", textContent: "This event could not be read just now. " });
  note.append(element("a", { className: "btn", href: `/panel/${id}`, textContent: "Try again" }));
  note.lastChild.dataset.panel = id;
  content.replaceChildren(note);
}

const toNeighbour = (rel) => () => content?.querySelector(`.around a[rel="${rel}"]`)?.click();
key("Escape", "Close the panel", () => panel.close());
key("]", "Next of the same kind", toNeighbour("next"));
key("[", "Previous of the same kind", toNeighbour("prev"));
enhance(document);
