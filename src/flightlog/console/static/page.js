// What every page does: the theme switch, times that stay true, the key for search.

import { key } from "./keys.js";

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

key("/", "Search", () => {
  const field = document.querySelector("input[type=search]");
  field?.focus();
  field?.select();
});

themeSwitch(document.getElementById("theme"));
setInterval(tick, 10_000);
