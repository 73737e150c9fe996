// The bar for the little language of filters: what is written is coloured, what could come next is offered by the server, and
// what is wrong is underlined. Without scripts it is a plain field of a form that is sent by GET.

const ASK_MS = 90;
// A run of white space, a sign and field, quoted text (perhaps not yet closed), a bound, or anything else.
const PIECES = /(\s+)|(?<![^\s,])(-?[a-z_]+:)|("(?:\\.|[^"\\])*"?)|((?<=[:,])(?:>=|<=|>|<))|([^\s",:]+|.)/gu;
let counted = 0;

/** Where a place in UTF-16 units lies in characters, as the server counts them, and back. */
const toChars = (text, units) => [...text.slice(0, units)].length;
const toUnits = (text, chars) => [...text].slice(0, chars).join("").length;

/** The address that a form would be sent to, without empty fields. */
export function addressOf(form) {
  const url = new URL(form.action, location.href);
  url.search = "";
  for (const [name, value] of new FormData(form)) if (value !== "") url.searchParams.append(name, value);
  return url;
}

/**
 * Make the field `q` inside `box` a filter bar. `scope` says what it is about (runs or events); `onApply(url)` is called instead of
 * going to the address. Returns `{ input, showError }`.
 */
export function filterBar(box, { scope = box.dataset.scope, onApply = (url) => location.assign(url) } = {}) {
  const input = box.querySelector("input[name=q]"), form = input.form;
  const ink = document.createElement("div"), list = document.createElement("ul");
  const applied = input.value;
  let options = [], active = -1, range = [0, 0], asked = "", timer = null, asking = null, wrong = null;

  // ── colours ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  function paint() {
    const text = input.value, pieces = [];
    for (const found of text.matchAll(PIECES)) {
      const [piece, , field, quoted, bound] = found;
      const kind = field ? (field.startsWith("-") ? "q-field q-not" : "q-field") : quoted ? "q-quoted" : bound ? "q-bound" : "";
      pieces.push({ kind, from: found.index, to: found.index + piece.length });
    }
    ink.replaceChildren(...pieces.flatMap((piece) => cut(piece, text)));
    if (wrong && wrong[0] >= text.length) ink.append(span("q-wrong", "\u00a0"));
    ink.scrollLeft = input.scrollLeft;
  }

  // A piece that the wrong stretch begins or ends in is cut there.
  function cut({ kind, from, to }, text) {
    const [start, end] = wrong ?? [-1, -1];
    const places = [...new Set([from, ...[start, end].filter((at) => at > from && at < to), to])];
    return places.slice(0, -1).map((at, n) => span(at >= start && at < end ? `${kind} q-wrong` : kind, text.slice(at, places[n + 1])));
  }

  function span(kind, text) {
    const made = document.createElement("span");
    made.className = kind;
    made.textContent = text;
    return made;
  }

  /** Underline `length` characters from `at`. */
  function showError({ at, length }) {
    wrong = [toUnits(input.value, at), toUnits(input.value, at + Math.max(length, 1))];
    input.setAttribute("aria-invalid", "true");
    paint();
  }

  // ── suggestions ──────────────────────────────────────────────────────────────────────────────────────────────────────

  function close() {
    clearTimeout(timer);
    asking?.abort();
    options = [];
    active = -1;
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function askSoon() {
    clearTimeout(timer);
    timer = setTimeout(ask, ASK_MS);
  }

  async function ask() {
    asking?.abort();
    const mine = (asking = new AbortController()), text = input.value;
    const query = new URLSearchParams({ scope, q: text, at: toChars(text, input.selectionStart ?? text.length) });
    try {
      const answer = await fetch(`/api/complete?${query}`, { signal: mine.signal });
      if (!answer.ok) return close();
      const found = await answer.json();
      if (mine.signal.aborted || input.value !== text || document.activeElement !== input) return;
      asked = text;
      range = [toUnits(text, found.from), toUnits(text, found.to)];
      offer(found.suggestions.filter((one) => one.text !== text.slice(...range)));
    } catch (error) {
      if (error.name !== "AbortError") close(); // a bar without suggestions is still a bar
    }
  }

  function offer(suggestions) {
    if (!suggestions.length) return close();
    options = suggestions;
    active = -1;
    list.replaceChildren(
      ...suggestions.map((one, n) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${n}`;
        item.setAttribute("role", "option");
        item.append(span("mono", one.text), span("faint", one.detail ?? ""));
        return item;
      }),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  }

  function move(by) {
    if (!options.length) return void ask();
    const next = active === -1 && by < 0 ? options.length - 1 : active + by;
    choose(next < 0 || next >= options.length ? -1 : next);
  }

  function choose(n) {
    list.children[active]?.removeAttribute("aria-selected");
    active = n;
    const item = list.children[n];
    item?.setAttribute("aria-selected", "true");
    item?.scrollIntoView({ block: "nearest" });
    if (item) input.setAttribute("aria-activedescendant", item.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function take(n) {
    const { text } = options[n], [from, to] = range;
    // What was typed since the answer was asked for belongs to the same word.
    const end = input.value === asked ? to : input.value.startsWith(asked.slice(0, to)) ? Math.max(to, input.selectionStart) : -1;
    close();
    if (end !== -1) {
      const more = text.endsWith(":") || input.value.startsWith(" ", end) ? "" : " ";
      input.setRangeText(text + more, from, end, "end");
    }
    changed();
  }

  function changed() {
    wrong = null;
    choose(-1);
    input.removeAttribute("aria-invalid");
    paint();
    askSoon();
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event.key === "ArrowDown" ? 1 : -1);
    else if ((event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) && active !== -1) take(active);
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // First the list goes, then what was written since, then the focus.
  function leave() {
    if (!list.hidden) return close();
    if (input.value === applied) return input.blur();
    input.value = applied;
    changed();
    close();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    close();
    onApply(addressOf(form));
  });

  input.addEventListener("input", changed);
  input.addEventListener("click", askSoon);
  input.addEventListener("focus", askSoon);
  input.addEventListener("blur", close);
  input.addEventListener("scroll", () => (ink.scrollLeft = input.scrollLeft));
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const at = [...list.children].indexOf(event.target.closest("li"));
    if (at !== -1) take(at);
  });

  ink.className = "ink";
  ink.setAttribute("aria-hidden", "true");
  list.className = "offers";
  list.id = `offers-${++counted}`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  const field = document.createElement("div");
  field.className = "field";
  input.replaceWith(field);
  field.append(ink, input);
  box.append(list);
  box.classList.add("inked");
  const said = document.getElementById("query-error");
  if (said) showError({ at: Number(said.dataset.at), length: Number(said.dataset.length) });
  else paint();
  return { input, showError };
}
