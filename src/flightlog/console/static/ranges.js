// Project and time range: a choice goes there at once, and a range of one's own is asked for in a small dialog.

import { addressOf } from "./filterbar.js";

/** Make the choices of the form work without sending it by hand. */
export function ranges(form) {
  const project = form.querySelector("select[name=project]"), since = form.querySelector("select[name=since]");
  const go = (change = () => {}) => {
    const url = addressOf(form);
    change(url.searchParams);
    location.assign(url);
  };
  project?.addEventListener("change", () => go());
  if (!since) return;
  const before = since.value, until = form.querySelector("input[name=until]");
  since.append(new Option("Custom …", "custom"));
  since.addEventListener("change", async () => {
    if (since.value !== "custom") return go((params) => params.delete("until"));
    const range = await asked(before, until?.value ?? "");
    since.value = before;
    if (until && !range) since.selectedIndex = [...since.options].findIndex((option) => option.dataset.until !== undefined);
    if (!range) return;
    go((params) => {
      for (const [name, value] of Object.entries(range)) {
        if (value) params.set(name, value);
        else params.delete(name);
      }
    });
  });
}

/** A range from the dialog as `{ since, until }` in UTC, each perhaps empty; null when nobody wants one. */
function asked(since, until) {
  const dialog = document.createElement("dialog"), form = document.createElement("form"), title = document.createElement("h2");
  const said = document.createElement("p"), row = document.createElement("div");
  form.method = "dialog";
  title.id = "range-title";
  title.textContent = "Time range";
  const fields = { since: field("From", since), until: field("Until", until) };
  said.className = "bad";
  said.setAttribute("role", "alert");
  row.className = "row";
  row.append(button("Apply", "apply", "btn primary"), button("Cancel", "cancel", "btn"));
  row.lastChild.formNoValidate = true;
  form.append(title, fields.since.label, fields.until.label, note(), said, row);
  dialog.className = "box";
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(form);
  document.body.append(dialog);
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value !== "apply" || !backwards(fields)) return;
    event.preventDefault();
    said.textContent = "It ends before it begins.";
  });
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "apply" ? { since: inUtc(fields.since.input), until: inUtc(fields.until.input) } : null);
    });
  });
}

const inUtc = (input) => (input.value ? new Date(input.value).toISOString() : "");
const backwards = ({ since, until }) => since.input.value && until.input.value && since.input.value >= until.input.value;

function field(word, value) {
  const label = document.createElement("label"), input = document.createElement("input");
  input.type = "datetime-local";
  input.step = "1";
  const at = new Date(value);
  if (!Number.isNaN(at.getTime())) input.value = new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  label.append(word, input);
  return { label, input };
}

function note() {
  const made = document.createElement("p");
  made.className = "faint";
  made.textContent = `Times are those of this browser (${Intl.DateTimeFormat().resolvedOptions().timeZone}); leave one empty for no end.`;
  return made;
}

function button(text, value, className) {
  return Object.assign(document.createElement("button"), { textContent: text, value, className });
}
