// Following a stream. The stream only says that there is news; the page asks the server for what it shows, by cursor, so a
// lost connection, a sleeping laptop or a stream opened twice can neither lose nor repeat anything.

const WAIT_MS = 400, CLOSED_RETRY_MS = 5_000;
const STATES = { live: "Live", lost: "Reconnecting", off: "Paused" };

/** Call `onNews` soon after something new is in the journal, never twice at once, as long as the tab is looked at. */
export function follow(onNews) {
  let url = document.body.dataset.live;
  if (!url) return;
  const sign = document.getElementById("live");
  let source = null, lastId = null, timer = null, busy = false, again = false;

  function show(state) {
    sign.hidden = false;
    sign.className = `live ${state}`;
    sign.textContent = STATES[state];
  }

  async function run() {
    timer = null;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      await onNews();
    } catch (error) {
      console.warn("Flightlog: news did not come through, trying again with the next", error);
    }
    busy = false;
    if (again) {
      again = false;
      soon();
    }
  }

  function soon() {
    timer ??= setTimeout(run, WAIT_MS);
  }

  function open() {
    const from = new URL(url, location.href);
    if (lastId !== null) from.searchParams.set("afterId", lastId);
    source = new EventSource(from);
    source.onopen = () => show("live");
    source.onmessage = (event) => {
      lastId = event.lastEventId;
      soon();
    };
    source.onerror = () => {
      show("lost");
      // The browser gives up after an answer that is no stream: too many are open, or the journal is another one by now.
      if (source.readyState === EventSource.CLOSED) {
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
      reopen();
    } catch {
      setTimeout(beginAnew, CLOSED_RETRY_MS);
    }
  }

  function close() {
    source?.close();
    source = null;
  }

  function reopen() {
    open();
    soon();
  }

  // A browser gives a site six connections in all, so tabs that nobody looks at let go of theirs.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      close();
      show("off");
    } else if (source === null) reopen();
  });
  addEventListener("pagehide", close);
  open();
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
