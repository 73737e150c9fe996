// What every page does: the theme switch, times that stay true, the filter bar with its choices, the palette.

import { filterBar } from "./filterbar.js";
import { key } from "./keys.js";
import { palette, remember } from "./palette.js";
import { ranges } from "./ranges.js";
import "./views.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;

/** How long ago, in the same words as the server's. */
export function ago(iso, now = Date.now()) {
  const seconds = Math.floor((now - Date.parse(iso)) / 1000);
  if (Number.isNaN(seconds)) return null;
  if (seconds < MINUTE) return "just now";
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  if (seconds < 8 * DAY) return `${Math.floor(seconds / DAY)} d ago`;
  return iso.slice(0, 10);
}

function tick() {
  for (const time of document.querySelectorAll("time")) {
    const text = ago(time.dateTime);
    if (text !== null && text !== time.textContent) time.textContent = text;
  }
}

const THEMES = ["auto", "light", "dark"];

function themeSwitch(button) {
  const root = document.documentElement;
  const show = () => (button.querySelector("b").textContent = root.dataset.theme ?? "auto");
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("flightlog.theme", next);
    } catch {
      // It holds for this page only.
    }
    show();
  });
  button.hidden = false;
  show();
}

function search() {
  const box = document.querySelector(".filterbar");
  const field = box ? filterBar(box).input : document.querySelector("input[type=search]");
  const form = document.querySelector("form.asking");
  if (form) ranges(form);
  key("/", "Filter, or find a run", () => {
    field?.focus();
    field?.select();
  });
}

// A run's own page, or a view of it; not something under it.
function rememberRun() {
  const id = document.querySelector("#head h1") && location.pathname.match(/^\/runs\/(.+)$/)?.[1];
  if (id) remember(decodeURIComponent(id), document.querySelector("#head h1").textContent);
}

search();
rememberRun();
themeSwitch(document.getElementById("theme"));
palette.add("Change the theme", () => document.getElementById("theme").click());
setInterval(tick, 10_000);
