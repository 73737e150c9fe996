// Doing something that can't be taken back by a click: a small dialog says what it is, asks for a reason, and sends it once.

import { closable } from "./palette.js";

const SAID_MS = 3_500, NAME_KEPT = "flightlog.actor";
const WORDS = {
  cancel: { title: "Cancel the task?", go: "Cancel it", keep: "Leave it", done: "The task was canceled.", says: "It ends where it is. What is held for it is released, and it can be retried later." },
  retry: { title: "Do the task again?", go: "Retry it", keep: "Leave it", done: "The task waits for a worker again.", says: "It begins at its first step, with the input that it has." },
  stop: { title: "Stop the replay?", go: "Stop it", keep: "Let it go on", done: "The replay stops.", says: "What is under way ends; nothing more is replayed. What was replayed stays so." },
};

function make(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
}

/** Say something for a moment, to eyes and to screen readers. */
export function say(text) {
  let toast = document.getElementById("toast");
  if (!toast) {
    toast = make("p", { id: "toast", className: "toast" });
    toast.setAttribute("role", "status");
    document.body.append(toast);
  }
  toast.hidden = false;
  toast.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (toast.hidden = true), SAID_MS);
}

/** Send JSON; throws with the sentence of the problem when the server says no. */
export async function send(path, body, key) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (key) headers["Idempotency-Key"] = key;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The server answered ${answer.status}.`);
}

/** Who acts here, as they said before; may be empty. */
export function keptName() {
  try {
    return localStorage.getItem(NAME_KEPT) ?? "";
  } catch {
    return ""; // Storage is switched off: the name has to be typed.
  }
}

/** Keep who acts here, for the next time. */
export function keepName(name) {
  try {
    localStorage.setItem(NAME_KEPT, name);
  } catch {
    // It holds for this page only.
  }
}

/** Ask whether to do what `button` is for, and do it; true once it is done. */
export function ask(button) {
  const words = WORDS[button.dataset.act];
  const title = make("h2", { id: "act-title", textContent: words.title });
  const what = make("p", { className: "mono", textContent: button.dataset.what ?? "" });
  const reason = make("input", { name: "reason", maxLength: 500, autocomplete: "off", required: "needed" in button.dataset });
  const go = make("button", { className: "btn primary", textContent: words.go });
  const keep = make("button", { className: "btn", type: "button", textContent: words.keep });
  const said = make("p", { className: "bad" });
  said.setAttribute("role", "alert");
  const label = make("label", {}, reason.required ? "Why" : "Why (for those who look later)", reason);
  const form = make("form", {}, label, said, make("div", { className: "row" }, go, keep));
  const dialog = make("dialog", { className: "box" }, title, what, make("p", { className: "dim", textContent: words.says }), form);
  dialog.setAttribute("aria-labelledby", title.id);
  const key = crypto.randomUUID?.(); // of what is asked for once, however often it is sent
  return new Promise((over) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      said.textContent = "";
      try {
        await send(button.dataset.post, reason.value.trim() ? { reason: reason.value.trim() } : {}, key);
        dialog.returnValue = "done";
        dialog.close();
        say(words.done);
      } catch (error) {
        said.textContent = error.message;
        go.disabled = false;
      }
    });
    keep.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      over(dialog.returnValue === "done");
    });
    closable(dialog);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Make the buttons with `data-act` work, those that come later too; `onDone()` is called after each that was done. */
export function acting(onDone) {
  document.body.classList.add("acting");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-act]");
    if (!button) return;
    const row = button.closest("[data-task]");
    const done = await ask(button);
    // The row may have been renewed under the dialog; the keyboard goes on where it was.
    if (document.activeElement === document.body) (document.querySelector(`[data-task="${CSS.escape(row?.dataset.task ?? "")}"]`) ?? document.querySelector("main h1"))?.focus();
    if (done) await onDone();
  });
}
