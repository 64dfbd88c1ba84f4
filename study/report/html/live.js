"use strict";
// Follows the studies: asks for the version of the page, and takes over a new one in place.
(() => {
  const PERIOD_MS = 2000;
  const AWAY_MS = 5000;
  const line = document.querySelector(".live");
  let version = document.documentElement.dataset.version;
  let timer = null;

  function say(kind, text, { news = false } = {}) {
    line.dataset.state = kind;
    document.getElementById("live-text").textContent = text;
    // Only what a reader has to know is announced, not every trial.
    if (news) document.getElementById("live-news").textContent = text;
  }

  function stamp() {
    document.getElementById("live-time").textContent = `· ${new Date().toLocaleTimeString()}`;
  }

  const keyOf = (details) => details.dataset.key
    ?? `${details.closest("section")?.id} ${details.querySelector("summary").textContent}`;
  const boxes = () => [...document.querySelectorAll(".scroll")];
  const nameOf = (box) => `${box.closest("section")?.id} ${box.getAttribute("aria-label")}`;

  // The place of a focused element: its section, its kind and its text, which the new page has too.
  function placeOf(element) {
    if (!element || element === document.body) return null;
    const same = [...document.querySelectorAll(element.tagName)].filter((each) => sameAs(each, element));
    return { tag: element.tagName, like: element, index: same.indexOf(element) };
  }

  function sameAs(one, other) {
    return one.closest("section")?.id === other.closest("section")?.id && one.textContent === other.textContent
      && one.getAttribute("aria-label") === other.getAttribute("aria-label");
  }

  function anchor() {
    const marked = [...document.querySelectorAll("section[id], .plot[data-figure], table.trials")];
    const above = marked.filter((element) => element.getBoundingClientRect().top <= innerHeight / 3);
    const last = above.at(-1);
    return last && { selector: selectorOf(last), top: last.getBoundingClientRect().top };
  }

  function selectorOf(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const [name, value] = element.dataset.figure ? ["figure", element.dataset.figure] : ["key", element.dataset.key];
    return `${element.tagName}[data-${name}="${CSS.escape(value)}"]`;
  }

  function remember() {
    return {
      open: new Map([...document.querySelectorAll("details")].map((each) => [keyOf(each), each.open])),
      scrolled: new Map(boxes().map((box) => [nameOf(box), [box.scrollLeft, box.scrollTop]])),
      tables: studyTables.state(),
      focus: placeOf(document.activeElement),
      anchor: anchor(),
    };
  }

  function recall(state) {
    studyTables.restore(state.tables);
    for (const details of document.querySelectorAll("details")) {
      details.open = state.open.get(keyOf(details)) ?? details.open;
    }
    for (const box of boxes()) [box.scrollLeft, box.scrollTop] = state.scrolled.get(nameOf(box)) ?? [0, 0];
    if (state.focus) {
      const same = [...document.querySelectorAll(state.focus.tag)].filter((each) => sameAs(each, state.focus.like));
      (same[state.focus.index] ?? same[0])?.focus({ preventScroll: true });
    }
    const kept = state.anchor && document.querySelector(state.anchor.selector);
    if (kept) scrollBy({ top: kept.getBoundingClientRect().top - state.anchor.top, behavior: "instant" });
  }

  // The sections of the new page, with the figures that are drawn already.
  function takeOver(fresh) {
    const plots = new Map([...document.querySelectorAll(".plot[data-drawn]")].map((each) => [each.dataset.figure, each]));
    for (const tag of ["header", "nav", "main", "footer"]) {
      document.querySelector(`body > ${tag}`).replaceWith(document.adoptNode(fresh.querySelector(`body > ${tag}`)));
    }
    for (const place of document.querySelectorAll(".plot")) {
      const plot = plots.get(place.dataset.figure);
      if (!plot) continue;
      plot.style.minHeight = place.style.minHeight;
      plot.setAttribute("aria-label", place.getAttribute("aria-label"));
      place.replaceWith(plot);
    }
    studyTables.start(document);
  }

  async function update() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!document.getElementById("figures") || !fresh.getElementById("figures")) return location.reload();
    const specs = await studyPage.readSpecs(fresh);
    // A reader who marks text or holds a button is not disturbed; the next look comes soon.
    if (!getSelection().isCollapsed || document.querySelector(":active:not(html, body)")) return;
    const state = remember();
    takeOver(fresh);
    studyPage.update(specs);
    recall(state);
    document.title = fresh.title;
    version = fresh.documentElement.dataset.version;
    const told = fresh.querySelector(".live");
    const kind = told.dataset.state;
    say(kind, fresh.getElementById("live-text").textContent, { news: kind !== line.dataset.state });
    stamp();
  }

  async function look() {
    let wait = PERIOD_MS;
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const told = await answer.json();
      if (told.version !== version) await update();
      else if (told.fault) say("fault", `Not updated: ${told.fault}`, { news: line.dataset.state !== "fault" });
      else if (["fault", "away"].includes(line.dataset.state)) say(told.kind, told.text, { news: true });
    } catch {
      const text = "The command that serves this page has ended. This is its last state.";
      if (line.dataset.state !== "away") say("away", text, { news: true });
      wait = AWAY_MS;
    }
    again(wait);
  }

  // A page that is not seen asks for nothing.
  function again(wait) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, wait);
  }

  document.addEventListener("visibilitychange", () => again(0));
  stamp();
  again(PERIOD_MS);
})();
