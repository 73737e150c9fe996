// Following a stream. The stream only says that there is news; the page asks the server for what it shows, by cursor, so a
// lost connection, a sleeping laptop or a stream opened twice can neither lose nor repeat anything.

import { key } from "./keys.js";

const EVERY_MS = 300, AGAIN_MS = 3_000, CLOSED_RETRY_MS = 5_000;
const STATES = { live: "Live", lost: "Reconnecting", gone: "Offline", off: "Paused", held: "Paused" };

/** Call `onNews` as soon as something new is in the journal and then at most every 300 ms, never twice at once, as long as
    the tab is looked at and nobody has paused it. Returns a function by which a page asks for that itself, where something
    moves that the stream does not tell of. */
export function follow(onNews) {
  let url = document.body.dataset.live;
  if (!url) return null;
  const sign = document.getElementById("live"), button = document.getElementById("pause");
  let source = null, lastId = null, timer = null, busy = false, again = false, next = 0;
  let held = false, waiting = 0, opened = false;

  // ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────

  function show(state) {
    sign.hidden = false;
    const shown = held && state === "live" ? "held" : state === "lost" && !navigator.onLine ? "gone" : state;
    const text = shown === "held" && waiting ? `Paused, ${waiting.toLocaleString("en")} new` : STATES[shown];
    if (sign.textContent === text && sign.dataset.state === shown) return;
    sign.className = `live ${shown}`;
    sign.dataset.state = shown;
    sign.textContent = text;
  }

  function pause(on) {
    held = on;
    button.setAttribute("aria-pressed", on);
    button.textContent = on ? "Resume" : "Pause";
    if (!on && (waiting || again)) soon();
    waiting = 0;
    show(stateNow());
  }

  const stateNow = () => (source === null ? "off" : source.readyState === EventSource.OPEN ? "live" : "lost");

  // ── refreshing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async function run() {
    timer = null;
    if (busy || held) {
      again = true;
      if (held) show(stateNow());
      return;
    }
    busy = true;
    again = false;
    const begun = performance.now();
    try {
      await onNews();
    } catch (error) {
      console.warn("Flightlog: news did not come through, trying again", error);
      next = performance.now() + AGAIN_MS;
      again = true;
    }
    // A refresh that takes long is not asked for all the time.
    next = Math.max(next, begun + EVERY_MS, begun + 2 * (performance.now() - begun));
    busy = false;
    if (again) soon();
  }

  function soon() {
    timer ??= setTimeout(run, Math.max(0, next - performance.now()));
  }

  // ── the connection ───────────────────────────────────────────────────────────────────────────────────────────────────

  function open() {
    const from = new URL(url, location.href);
    if (lastId !== null) from.searchParams.set("afterId", lastId);
    source = new EventSource(from);
    source.onopen = () => {
      show("live");
      if (opened) soon(); // what came while there was no connection
      opened = true;
    };
    source.onmessage = (event) => {
      lastId = event.lastEventId;
      if (held) waiting++;
      soon();
    };
    source.onerror = () => {
      show("lost");
      // The browser gives up after an answer that is no stream: too many are open, or the journal is another one by now.
      if (source?.readyState === EventSource.CLOSED) {
        close();
        setTimeout(beginAnew, CLOSED_RETRY_MS);
      }
    };
  }

  async function beginAnew() {
    if (source !== null || document.visibilityState !== "visible") return;
    try {
      url = (await fetchPage(location.href)).body.dataset.live ?? url;
      lastId = null;
      opened = true; // there is something to catch up on
      open();
    } catch {
      setTimeout(beginAnew, CLOSED_RETRY_MS);
    }
  }

  // A machine that is offline still reaches a server of its own; and a stream may not notice for long that it is cut.
  async function lookAround() {
    try {
      await fetch("/healthz", { cache: "no-store" });
    } catch {
      close();
      show("lost");
      setTimeout(beginAnew, CLOSED_RETRY_MS);
    }
  }

  function close() {
    source?.close();
    source = null;
  }

  function reopen() {
    close();
    show("lost");
    open();
  }

  // A browser gives a site six connections in all, so tabs that nobody looks at let go of theirs.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      close();
      show("off");
    } else if (source === null) reopen();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && reopen());
  addEventListener("online", () => stateNow() !== "live" && document.visibilityState === "visible" && reopen());
  addEventListener("offline", lookAround);

  button.hidden = false;
  button.addEventListener("click", () => pause(!held));
  key("p", "Pause or resume live updates", () => pause(!held));
  open();
  return () => source !== null && !held && soon();
}

/** The page at `url` as a document. */
export async function fetchPage(url) {
  const response = await fetch(url, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Put the new version of an element in the place of the old one, if it differs. */
export function swap(id, page) {
  const old = document.getElementById(id), fresh = page.getElementById(id);
  if (old && fresh && old.innerHTML !== fresh.innerHTML) old.replaceWith(document.adoptNode(fresh));
}
