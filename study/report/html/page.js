"use strict";
// Draws the figures: those in view first, the others one after the other, so that the page answers in between.
const studyPage = (() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themes = {
    light: { ink: "#1b1f24", soft: "#59626e", grid: "#e6e9ed", panel: "#ffffff" },
    dark: { ink: "#e7eaee", soft: "#9ca6b2", grid: "#2a3038", panel: "#1b2026" },
  };
  const [SHEET, HALF_SHEET] = [696, 340]; // pixels of paper, for A4 and Letter
  const MOST_NAMES = 5; // of a legend inside the figure
  const [AROUND_ROWS, ROW, NOTED_ROW, NARROW_ROW, MANY_ROWS] = [70, 26, 21, 18, 10]; // pixels on paper, and a number of rows
  const [FONT, FONT_ON_PAPER] = [13, 10];
  const [NOTE, NOTE_ON_PAPER] = [11, 7];
  const TITLE_LETTERS = 20; // of a line below an axis on a phone
  const config = { displayModeBar: false, responsive: true };
  const isPhone = matchMedia("(max-width: 40rem)").matches;
  let specs = {};
  let isOnPaper = false;

  // Only colors of text and lines: data keep their colors in both schemes.
  function colors(layout, theme) {
    const found = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      "font.color": theme.ink, "legend.font.color": theme.ink,
      "hoverlabel.bgcolor": theme.panel, "hoverlabel.bordercolor": theme.grid, "hoverlabel.font.color": theme.ink,
    };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      found[`${axis}.gridcolor`] = theme.grid;
      found[`${axis}.linecolor`] = theme.grid;
      found[`${axis}.zerolinecolor`] = theme.soft;
    }
    return found;
  }

  function themed() { return dark.matches ? themes.dark : themes.light; }

  function laidOut(layout, data) {
    const font = { family: getComputedStyle(document.body).fontFamily, size: FONT };
    // What a reader zoomed or hid stays when the page is updated.
    const full = structuredClone({ ...layout, autosize: true, font, uirevision: "kept" });
    if (named(data).length > MOST_NAMES) full.showlegend = false;
    const title = full.xaxis.title?.text ?? "";
    if (isPhone && title) full.xaxis.title.text = inLines(title);
    for (const [path, value] of Object.entries(colors(layout, themed()))) {
      const keys = path.split(".");
      const last = keys.pop();
      keys.reduce((inner, key) => (inner[key] ??= {}), full)[last] = value;
    }
    return full;
  }

  function inLines(title) {
    const lines = [""];
    for (const word of title.split(" ")) {
      if (lines.at(-1) && `${lines.at(-1)} ${word}`.length > TITLE_LETTERS) lines.push(word);
      else lines.push(`${lines.pop()} ${word}`.trim());
    }
    return lines.join("<br>");
  }

  function draw(element) {
    // A section may be opened before the data are unpacked; its figures are drawn then.
    if (element.dataset.drawn || !specs[element.dataset.figure]) return;
    element.dataset.drawn = "yes";
    const { data, layout } = specs[element.dataset.figure];
    Plotly.newPlot(element, structuredClone(data), laidOut(layout, data), config)
      .then(() => { fit(element); showKeys(element); }).catch((error) => fail(element, error));
  }

  const isHalf = (element) => element.closest(".pair, .folded")?.querySelectorAll(".plot").length > 1;

  // Traces that a legend names. One of many names is a list of buttons outside of the figures, in columns; figures
  // side by side share it.
  const named = (data) => data.filter((trace) => trace.name && trace.showlegend !== false);
  const boxOf = (element) => element.closest(".pair") ?? element.closest("figure");
  // What a reader has hidden, by the first figure of a box: an update makes the buttons anew.
  const choices = new Map();
  const keptBy = (box) => box.querySelector(".plot").dataset.figure;
  const plotsOf = (box) => [...box.querySelectorAll(".plot[data-drawn]")].filter((each) => each.data);

  function showKeys(element) {
    const box = boxOf(element);
    const traces = new Map();
    for (const plot of plotsOf(box)) {
      if (named(plot.data).length <= MOST_NAMES) continue;
      for (const trace of named(plot.data)) if (!traces.has(trace.name)) traces.set(trace.name, trace);
    }
    if (!traces.size) return;
    let keys = box.querySelector(":scope > .keys");
    if (!keys) {
      keys = document.createElement("div");
      keys.className = "keys";
      keys.setAttribute("role", "group");
      keys.setAttribute("aria-label", "Legend");
      if (box === element.parentElement) element.before(keys);
      else box.prepend(keys);
    }
    keys.replaceChildren(...[...traces.values()].map((trace) => keyOf(trace, box)));
    if (choices.has(keptBy(box))) plotsOf(box).forEach(hideUnpressed);
  }

  function keyOf(trace, box) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.group = trace.legendgroup ?? trace.name;
    button.setAttribute("aria-pressed", choices.get(keptBy(box))?.get(button.dataset.group) ?? trace.visible !== "legendonly");
    button.style.setProperty("--of", trace.line?.color ?? trace.marker?.color);
    const styles = { dash: "dashed", dot: "dotted", dashdot: "dashed", longdash: "dashed" };
    if (trace.mode.includes("lines")) {
      const stroke = button.appendChild(document.createElement("b"));
      stroke.style.borderTopStyle = styles[trace.line.dash] ?? "solid";
    }
    if (trace.mode.includes("markers")) button.appendChild(document.createElement("i")).className = trace.marker.symbol;
    button.append(trace.name);
    button.addEventListener("click", (event) => {
      if (event.detail > 1) alone(box, button.dataset.group);
      else show(box, (group, isShown) => (group === button.dataset.group ? !isShown : isShown));
    });
    return button;
  }

  // One name alone, or all again if it is.
  function alone(box, wanted) {
    const shown = [...box.querySelectorAll(":scope > .keys [aria-pressed=true]")].map((each) => each.dataset.group);
    const isAlone = shown.every((group) => group === wanted) && shown.length > 0;
    show(box, (group) => isAlone || group === wanted);
  }

  function show(box, isShown) {
    for (const button of box.querySelectorAll(":scope > .keys button")) {
      button.setAttribute("aria-pressed", isShown(button.dataset.group, button.ariaPressed === "true"));
    }
    choices.set(keptBy(box), pressedOf(box));
    plotsOf(box).forEach(hideUnpressed);
  }

  const pressedOf = (box) => new Map([...box.querySelectorAll(":scope > .keys button")].map(
    (button) => [button.dataset.group, button.ariaPressed === "true"]));

  // Hide in a figure the groups that its list of names has hidden.
  function hideUnpressed(element) {
    const pressed = pressedOf(boxOf(element));
    const visible = element.data.map((trace) => (pressed.get(trace.legendgroup ?? trace.name) ?? trace.visible !== "legendonly")
      || "legendonly");
    if (pressed.size) Plotly.restyle(element, { visible });
  }

  // A legend of many rows takes no height from the axes. On paper, only rows of names keep their height.
  function fit(element) {
    const { layout } = specs[element.dataset.figure];
    const more = Math.max(0, (element._fullLayout.legend?._height ?? 0) - 60);
    const names = layout.yaxis.title ? [] : layout.yaxis.tickvals ?? [];
    const isNoted = layout.annotations?.some((note) => note.yanchor !== "middle");
    const row = names.length <= MANY_ROWS ? ROW : isNoted ? NOTED_ROW : NARROW_ROW;
    const onPaper = names.length ? AROUND_ROWS + row * names.length
      : layout.height * (isHalf(element) ? 0.5 : 0.6);
    const height = (isOnPaper ? onPaper : layout.height) + more;
    return element.layout.height !== height && Plotly.relayout(element, { height });
  }

  // Letters are smaller on paper, and with them the figures.
  function fonts(element, size, noteSize) {
    const notes = (element.layout.annotations ?? []).map((_, index) => [`annotations[${index}].font.size`, noteSize]);
    return { "font.size": size, ...Object.fromEntries(notes) };
  }

  function fail(element, error) {
    element.textContent = `This browser cannot draw the figure (${error.message}). Its numbers are below.`;
  }

  const all = () => [...document.querySelectorAll(".plot")];
  const drawn = () => all().filter((element) => element.dataset.drawn);
  // A folded figure has no width, so it is drawn when it opens.
  const waiting = () => all().filter((element) => !element.dataset.drawn && !element.closest("details:not([open])"));

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });

  function drawRest() {
    const [next] = waiting();
    if (!next) {
      document.documentElement.dataset.ready = "yes";
      return;
    }
    draw(next);
    setTimeout(drawRest);
  }

  // The text of a script element of data; that of a large page is packed.
  async function textOf(script) {
    if (!script.dataset.packed) return script.textContent;
    const bytes = Uint8Array.from(atob(script.textContent), (letter) => letter.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(script.dataset.packed));
    return new Response(unpacked).text();
  }

  async function readSpecs(root) { return JSON.parse(await textOf(root.getElementById("figures"))); }

  async function loadPlotly() {
    if (window.Plotly) return;
    const script = document.createElement("script");
    script.textContent = await textOf(document.getElementById("plotly"));
    document.head.append(script);
  }

  async function start() {
    try {
      [specs] = await Promise.all([readSpecs(document), loadPlotly()]);
    } catch (error) {
      all().forEach((element) => fail(element, error));
      return;
    }
    waiting().forEach((element) => seen.observe(element));
    setTimeout(drawRest, 50);
  }

  // Take over the figures of another version of this page: one whose data are the same stays as it is.
  function update(fresh) {
    fold();
    for (const element of drawn()) {
      const before = specs[element.dataset.figure];
      const now = fresh[element.dataset.figure];
      if (now && JSON.stringify(before) !== JSON.stringify(now)) {
        Plotly.react(element, structuredClone(now.data), laidOut(now.layout, now.data), config);
      }
    }
    drawn().forEach(showKeys);
    specs = fresh;
    drawRest();
  }

  document.addEventListener("toggle", (event) => {
    if (event.target.open) event.target.querySelectorAll(".plot").forEach(draw);
  }, true);
  dark.addEventListener("change", () => {
    for (const element of drawn()) Plotly.relayout(element, colors(element.layout, themed()));
  });
  // Print light and narrow, whatever the screen is, with what is folded but for the numbers; two figures of a pair
  // stand side by side.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    isOnPaper = true;
    unfolded = [...document.querySelectorAll("details:not(.numbers, [open])")];
    for (const details of unfolded) details.open = true;
    waiting().forEach(draw);
    for (const element of drawn()) {
      const width = isHalf(element) ? HALF_SHEET : SHEET;
      Plotly.relayout(element, { ...colors(element.layout, themes.light), ...fonts(element, FONT_ON_PAPER, NOTE_ON_PAPER), width });
      fit(element);
    }
  });
  addEventListener("afterprint", () => {
    isOnPaper = false;
    for (const details of unfolded) details.open = false;
    for (const element of drawn()) {
      Plotly.relayout(element, {
        ...colors(element.layout, themed()), ...fonts(element, FONT, NOTE), width: null, autosize: true,
      });
      fit(element);
    }
  });
  // On a phone the page is short: all but the result, the differences and the warnings is folded.
  const KEPT_OPEN = /(^|-)(summary|paired|warnings|workloads|answer)$/;

  function fold() {
    if (!isPhone) return;
    for (const details of document.querySelectorAll("details.more")) details.open = false;
    for (const section of document.querySelectorAll("main > section[id]")) {
      if (KEPT_OPEN.test(section.id)) continue;
      const details = document.createElement("details");
      const summary = document.createElement("summary");
      details.className = "part";
      details.dataset.key = section.id;
      details.append(summary, ...section.childNodes);
      const title = details.querySelector("h2");
      title.querySelector("a").tabIndex = -1;
      summary.append(title);
      section.append(details);
    }
    unfoldTarget();
  }

  // A link leads to a section that is open.
  function unfoldTarget() {
    const details = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.querySelector(":scope > .part");
    if (details) details.open = true;
  }

  addEventListener("hashchange", unfoldTarget);
  document.addEventListener("click", (event) => {
    // After the address has changed; the same address again changes nothing.
    if (event.target.closest?.("a[href^='#']")) setTimeout(unfoldTarget);
  });
  fold();
  start();
  return { readSpecs, update };
})();
