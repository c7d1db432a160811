// The console's script beyond HTML: it refreshes the live parts of a page, lets a person pause that, and knows two keys.
// Every page works without it.
"use strict";

(() => {
  const PAUSED = "console-paused";
  const parts = () => document.querySelectorAll("[data-live]");
  const toggle = document.querySelector("[data-live-toggle]");
  const word = document.querySelector("[data-live-word]");
  const status = document.querySelector("[data-live-status]");
  let isPaused = false;
  try {
    isPaused = sessionStorage.getItem(PAUSED) === "yes";
  } catch {
    // Without storage, a page forgets the pause.
  }
  const due = new Map();
  const sources = new Map();

  // Asks for a part anew. htmx listens for this event.
  const refresh = (part) => part.dispatchEvent(new CustomEvent("refresh"));

  // A part with an address of events is refreshed when one arrives.
  const listen = (part) => {
    const address = part.dataset.events;
    if (!address || sources.has(part)) return;
    const source = new EventSource(address);
    for (const name of ["accepted", "stage", "end", "deleted", "unavailable"]) {
      source.addEventListener(name, () => {
        refresh(part);
        if (name !== "end" && name !== "deleted") return;
        source.close();
        // The whole page differs then: what may be done with a run depends on its end.
        if (part.hasAttribute("data-reload")) location.reload();
      });
    }
    sources.set(part, source);
  };

  const hush = () => {
    for (const source of sources.values()) source.close();
    sources.clear();
  };

  let isStale = false;
  const show = () => {
    if (!toggle || parts().length === 0) return;
    toggle.hidden = false;
    toggle.setAttribute("aria-pressed", String(isPaused));
    toggle.toggleAttribute("data-stale", isStale && !isPaused);
    word.textContent = isPaused ? "Paused" : isStale ? "No answer" : "Live";
  };

  // A page is old while the service does not answer, and it says so.
  const stale = (is) => {
    if (is === isStale) return;
    isStale = is;
    status.textContent = is ? "The service does not answer. The page shows what it last said." : "The page is up to date again.";
    show();
  };
  document.addEventListener("htmx:error", () => stale(true));
  document.addEventListener("htmx:response:error", () => stale(true));
  document.addEventListener("htmx:after:swap", (event) => {
    if ((event.detail?.ctx?.response?.status ?? 500) < 400) stale(false);
  });

  const tick = () => {
    if (isPaused || document.hidden) return;
    const now = performance.now();
    for (const part of parts()) {
      listen(part);
      const every = Number(part.dataset.live);
      if (!(every > 0)) continue;
      // A person who reads or types inside a part must not lose their place.
      if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) continue;
      if (now >= (due.get(part) ?? now + every)) refresh(part);
      if (!due.has(part) || now >= due.get(part)) due.set(part, now + every);
    }
  };

  if (toggle) {
    toggle.addEventListener("click", () => {
      isPaused = !isPaused;
      try {
        sessionStorage.setItem(PAUSED, isPaused ? "yes" : "no");
      } catch {
        // As above.
      }
      if (isPaused) hush();
      else parts().forEach(refresh);
      status.textContent = isPaused ? "Live updates are paused." : "Live updates go on.";
      show();
    });
  }

  // "/" leads to the search, as on many pages; Escape leads out of it.
  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("[data-hotkey='/']");
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey && field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
    if (event.key === "Escape" && event.target === field) field.blur();
  });

  addEventListener("pagehide", hush);
  show();
  tick();
  setInterval(tick, 500);
})();
