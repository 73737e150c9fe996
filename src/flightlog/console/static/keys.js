// The keys of a page: each module says which it answers to and what for, and `?` lists them all.

const bindings = new Map();

/** Whether a key that was pressed is meant for the page and not for a field or a shortcut of the browser. */
export function isForPage(event) {
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

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !isForPage(event)) return;
  const bound = bindings.get(event.key);
  if (!bound || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  bound.run(event);
});
