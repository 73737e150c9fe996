// The SQL page: runs what is in the editor without leaving the page, can be told to stop, and keeps the query in the address.
// Without it the form is a plain one.

import { key } from "./keys.js";

const TICK_MS = 100;
const field = document.getElementById("sql"), form = document.getElementById("editor");
const run = document.getElementById("run"), cancel = document.getElementById("cancel"), state = document.getElementById("state");
let asked = null;

/** Run a query and show what comes of it; one that is still running is ended. */
async function ask(sql) {
  asked?.abort();
  const mine = (asked = new AbortController());
  const begun = performance.now();
  const result = document.getElementById("result");
  result.classList.add("stale");
  cancel.hidden = false;
  const ticking = setInterval(() => {
    state.textContent = `Running for ${((performance.now() - begun) / 1000).toFixed(1)} s`;
  }, TICK_MS);
  let said = "";
  try {
    const answer = await fetch(`/sql/result?${new URLSearchParams({ query: sql })}`, { signal: mine.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("result");
    if (found) document.getElementById("result").replaceWith(document.adoptNode(found));
    else said = "The server did not answer that. Try a shorter query.";
    if (found?.dataset.at >= 0) mark(Number(found.dataset.at), Number(found.dataset.length));
  } catch (error) {
    said = error.name === "AbortError" ? "Canceled" : "The server does not answer.";
  }
  clearInterval(ticking);
  if (asked !== mine) return; // a later one has begun
  asked = null;
  cancel.hidden = true;
  state.textContent = said;
  document.getElementById("result").classList.remove("stale");
}

/** Put the caret on what is wrong, where somebody is at the editor. */
function mark(at, length) {
  if (document.activeElement !== field && document.activeElement !== run) return;
  field.focus();
  field.setSelectionRange(at, at + Math.max(length, 1));
}

function submit() {
  const sql = field.value;
  if (!sql.trim()) return;
  const url = new URL("/sql", location.href);
  url.searchParams.set("query", sql);
  if (url.href !== location.href) history.pushState(null, "", url);
  ask(sql);
}

function insert(text) {
  field.focus();
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    submit();
  } else if (event.key === "Escape") {
    if (asked) asked.abort();
    else field.blur();
  }
});
cancel.addEventListener("click", () => asked?.abort());
document.getElementById("examples").addEventListener("click", (event) => {
  const sql = event.target.closest("a")?.dataset.sql;
  if (sql === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  field.value = sql;
  submit();
});
window.addEventListener("popstate", () => {
  field.value = new URL(location.href).searchParams.get("query") ?? "";
  if (field.value.trim()) ask(field.value);
  else document.getElementById("result").replaceChildren();
});

// A column's name is put where the caret is: buttons, so that the keyboard can.
for (const code of document.querySelectorAll("#schema [data-insert]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "mono";
  button.textContent = code.textContent;
  button.addEventListener("click", () => insert(code.dataset.insert));
  code.replaceWith(button);
}

key("e", "Edit the SQL", () => field.focus());
if (!field.value && matchMedia("(pointer: fine)").matches) field.focus();
