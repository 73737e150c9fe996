// Dead letters: the list is renewed while it is looked at, and a replay of what it shows is planned in a small dialog.

import { acting, keptName, send } from "./acting.js";
import { Listing, growing } from "./listing.js";
import { fetchPage, follow, swap } from "./live.js";
import { closable } from "./palette.js";

const CONCURRENCY = 10, CONCURRENCY_HIGH = 20;

function make(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
}

// ── the list ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const list = document.getElementById("list");
const rows = list && new Listing(document.getElementById("groups") ? "group" : "letter", document.getElementById("groups") ? "group" : "dead letter");

function grow() {
  const table = document.getElementById("letters");
  if (table) growing(table, "/deadletters/rows");
}

async function refresh() {
  if (!list) return swap("letter", await fetchPage(location.href));
  await rows.renew("#nowhere", (page) => {
    const states = document.getElementById("states");
    if (!states.contains(document.activeElement)) swap("states", page);
    // Groups are few, and are as they are now: a new one takes its place. Of letters, those that are not meant any more are dimmed.
    const old = document.getElementById("groups"), fresh = page.getElementById("groups");
    if (!page.querySelector("#groups, #letters")) swap("list", page);
    else if (old && fresh && !old.contains(document.activeElement)) swap("groups", page);
    else if (!old) dim(page);
  }, (page) => {
    swap("list", page);
    grow();
  });
  const news = document.getElementById("news");
  if (document.getElementById("groups")) news.hidden = true;
}

function dim(page) {
  const coming = [...page.querySelectorAll("tr[data-letter]")].map((row) => row.dataset.letter);
  const last = rows.rows.findIndex((row) => row.dataset.letter === coming.at(-1));
  const first = list.dataset.first === "true" ? rows.rows.slice(0, last + 1) : [];
  for (const row of first) row.classList.toggle("gone", !coming.includes(row.dataset.letter));
}

const narrow = document.getElementById("narrow");
if (narrow) {
  const go = () => {
    for (const field of narrow.elements) field.disabled = field.value === "";
    narrow.submit();
  };
  narrow.querySelector("button").hidden = true;
  narrow.addEventListener("change", go);
  narrow.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
}

// ── planning ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function check(name, text) {
  const box = make("input", { type: "checkbox", name });
  return make("label", { className: "check" }, box, text);
}

function plan(button) {
  const title = make("h2", { id: "plan-title", textContent: "Plan a replay" });
  const which = make("p", { className: "mono", textContent: button.dataset.words });
  const many = make("input", { name: "concurrency", type: "number", min: 1, max: CONCURRENCY_HIGH, value: CONCURRENCY, required: true });
  const go = make("button", { className: "btn primary", textContent: "See what would happen" });
  const leave = make("button", { className: "btn", type: "button", textContent: "Leave it" });
  const said = make("p", { className: "bad" });
  said.setAttribute("role", "alert");
  const form = make("form", {},
    make("label", {}, `At once, ${CONCURRENCY} at most`, many),
    check("allow_high_concurrency", `Up to ${CONCURRENCY_HIGH} at once`),
    check("delete_after_replay", "Delete the letters that were replayed"),
    said, make("div", { className: "row" }, go, leave));
  const dialog = make("dialog", { className: "box" }, title, which, make("p", { className: "dim", textContent: "This freezes which letters are meant and tells what would become of each. Nothing is replayed yet." }), form);
  dialog.setAttribute("aria-labelledby", title.id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    said.textContent = "";
    try {
      const { allow_high_concurrency: high, delete_after_replay: gone } = form.elements;
      const by = keptName();
      const made = await send("/v1/deadletters/plans", {
        filter: JSON.parse(button.dataset.filter), concurrency: Number(many.value),
        allow_high_concurrency: high.checked, delete_after_replay: gone.checked, ...(by && { by }),
      });
      location.assign(`/deadletters/plans/${encodeURIComponent(made.plan_id)}`);
    } catch (error) {
      said.textContent = error.message;
      go.disabled = false;
    }
  });
  leave.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  closable(dialog);
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#plan");
  if (button) plan(button);
});

grow();
acting(refresh);
follow(refresh);
