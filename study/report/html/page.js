"use strict";
// Draws the figures: those in view first, the others one after the other, so that the page answers in between.
const studyPage = (() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themes = {
    light: { ink: "#1b1f24", soft: "#59626e", grid: "#e6e9ed", panel: "#ffffff" },
    dark: { ink: "#e7eaee", soft: "#9ca6b2", grid: "#2a3038", panel: "#1b2026" },
  };
  const [SHEET, HALF_SHEET] = [660, 325]; // pixels of paper
  const config = { displayModeBar: false, responsive: true };
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

  function laidOut(layout) {
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13 };
    // What a reader zoomed or hid stays when the page is updated.
    const full = structuredClone({ ...layout, autosize: true, font, uirevision: "kept" });
    for (const [path, value] of Object.entries(colors(layout, themed()))) {
      const keys = path.split(".");
      const last = keys.pop();
      keys.reduce((inner, key) => (inner[key] ??= {}), full)[last] = value;
    }
    return full;
  }

  function draw(element) {
    if (element.dataset.drawn) return;
    element.dataset.drawn = "yes";
    const { data, layout } = specs[element.dataset.figure];
    Plotly.newPlot(element, structuredClone(data), laidOut(layout), config)
      .then(() => fit(element)).catch((error) => fail(element, error));
  }

  const isHalf = (element) => Boolean(element.closest(".pair, .folded"));

  // A legend of many rows takes no height from the axes. On paper, only rows of names keep their height.
  function fit(element) {
    const { layout } = specs[element.dataset.figure];
    const more = Math.max(0, (element._fullLayout.legend?._height ?? 0) - 60);
    const hasNames = layout.yaxis.tickvals && !layout.yaxis.title;
    const height = layout.height * (!isOnPaper || hasNames ? 1 : isHalf(element) ? 0.65 : 0.8) + more;
    return element.layout.height !== height && Plotly.relayout(element, { height });
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
    for (const element of drawn()) {
      const before = specs[element.dataset.figure];
      const now = fresh[element.dataset.figure];
      if (now && JSON.stringify(before) !== JSON.stringify(now)) {
        Plotly.react(element, structuredClone(now.data), laidOut(now.layout), config);
      }
    }
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
      Plotly.relayout(element, { ...colors(element.layout, themes.light), width });
      fit(element);
    }
  });
  addEventListener("afterprint", () => {
    isOnPaper = false;
    for (const details of unfolded) details.open = false;
    for (const element of drawn()) {
      Plotly.relayout(element, { ...colors(element.layout, themed()), width: null, autosize: true });
      fit(element);
    }
  });
  if (matchMedia("(max-width: 40rem)").matches) {
    for (const details of document.querySelectorAll("details.more")) details.open = false;
  }
  start();
  return { readSpecs, update };
})();
