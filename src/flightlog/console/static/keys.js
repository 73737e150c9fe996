// The keys of a page: each module says which it answers to and what for, and `?` lists them all. A name with a space in it, such
// as "g r", is two keys one after the other.

const CHORD_MS = 1_200;
const bindings = new Map();
let first = null, forget = null;

/** Whether a key that was pressed is meant for the page and not for a field, a button or a shortcut of the browser. */
export function isForPage(event) {
  if ((event.key === "Enter" || event.key === " ") && event.target.closest?.("a, button, summary")) return false;
  return !(event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, [contenteditable]"));
}

/** Call `run(event)` when `name` (as in KeyboardEvent.key) is pressed outside of fields. A later binding of a key wins. */
export function key(name, label, run) {
  bindings.set(name, { label, run });
}

/** All that is bound, in order: `[name, label]`. */
export function listKeys() {
  return [...bindings].map(([name, { label }]) => [name, label]);
}

/** Whether the key works what has the focus: a link is followed by Enter, whatever the page uses that for. */
function isTheirs(event) {
  return (event.key === "Enter" || event.key === " ") && Boolean(event.target.closest?.("a, button, summary"));
}

function begins(name) {
  return [...bindings.keys()].some((bound) => bound.startsWith(`${name} `));
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !isForPage(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "Shift" || isTheirs(event)) return;
  const bound = (first && bindings.get(`${first} ${event.key}`)) ?? bindings.get(event.key);
  clearTimeout(forget);
  first = null;
  if (bound) {
    event.preventDefault();
    bound.run(event);
  } else if (begins(event.key)) {
    first = event.key;
    forget = setTimeout(() => (first = null), CHORD_MS);
  }
});
