// Saved views: the page as it is filtered and sorted now, under a name. The rail shows them; this is the menu beside the bar.

import { fetchPage, swap } from "./live.js";
import { closable, palette } from "./palette.js";

const PATHS = { runs: "/", traces: "/traces", events: "/events", audit: "/audit", stats: "/stats" };
const button = document.getElementById("views");

function make(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
}

/** What the server says to this; throws with the sentence of the problem when it says no. */
async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The server answered ${answer.status}.`);
}

async function refreshRail() {
  swap("rail", await fetchPage(location.href));
}

function menu(page) {
  const title = make("h2", { id: "views-title", textContent: `Saved views of ${page}` });
  const name = make("input", { name: "name", required: true, maxLength: 80, autocomplete: "off" });
  const form = make("form", {}, make("label", {}, "Save what is shown now as", name), make("div", { className: "row" }, make("button", { className: "btn primary", textContent: "Save this view" })));
  const list = make("ul"), said = make("p", { className: "bad" });
  const close = make("button", { className: "btn", type: "button", textContent: "Close" });
  form.lastChild.append(close);
  said.setAttribute("role", "alert");
  const dialog = make("dialog", { className: "box views" }, title, list, form, said);
  dialog.setAttribute("aria-labelledby", title.id);

  async function attempt(work) {
    said.textContent = "";
    try {
      await work();
    } catch (error) {
      said.textContent = error.message;
    }
  }

  async function show() {
    const { views } = await ask("GET", "/api/views");
    list.replaceChildren(...views.filter((view) => view.page === page).map(row));
    list.hidden = !list.children.length;
  }

  function row(view) {
    const link = make("a", { textContent: view.name, href: `${PATHS[page]}${view.query && `?${view.query}`}` });
    const remove = make("button", { className: "btn", type: "button", textContent: "Delete" });
    remove.setAttribute("aria-label", `Delete ${view.name}`);
    // The first press asks, the second one does it.
    remove.addEventListener("click", () => {
      if (remove.textContent === "Delete") {
        remove.textContent = "Really delete?";
        remove.setAttribute("aria-label", `Really delete ${view.name}?`);
        return;
      }
      attempt(async () => {
        await ask("DELETE", `/api/views/${encodeURIComponent(view.view_id)}`);
        await show();
        name.focus();
        await refreshRail();
      });
    });
    remove.addEventListener("blur", () => {
      remove.textContent = "Delete";
      remove.setAttribute("aria-label", `Delete ${view.name}`);
    });
    return make("li", {}, link, remove);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      await ask("POST", "/api/views", { name: name.value, page, query: location.search });
      await refreshRail();
      dialog.close();
    });
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  closable(dialog);
  document.body.append(dialog);
  dialog.showModal();
  name.focus();
  attempt(show);
}

if (button) {
  const open = () => menu(button.dataset.page);
  button.hidden = false;
  button.addEventListener("click", open);
  palette.add("Save this view", open);
  palette.add("Delete a saved view", open);
}
