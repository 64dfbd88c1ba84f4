"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themes = {
    light: { ink: "#1b1f24", soft: "#59626e", grid: "#e6e9ed", panel: "#ffffff" },
    dark: { ink: "#e7eaee", soft: "#9ca6b2", grid: "#2a3038", panel: "#1b2026" },
  };
  const font = getComputedStyle(document.body).fontFamily;
  const config = { displayModeBar: false, responsive: true };

  // Only colors of text and lines: data keep their colors in both schemes.
  function colors(theme) {
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      "font.color": theme.ink, "legend.font.color": theme.ink,
      "xaxis.gridcolor": theme.grid, "yaxis.gridcolor": theme.grid,
      "xaxis.zerolinecolor": theme.soft, "yaxis.zerolinecolor": theme.soft,
      "xaxis.linecolor": theme.grid, "yaxis.linecolor": theme.grid,
      "hoverlabel.bgcolor": theme.panel, "hoverlabel.bordercolor": theme.grid, "hoverlabel.font.color": theme.ink,
    };
  }

  function themed() { return dark.matches ? themes.dark : themes.light; }

  function draw(element) {
    if (element.dataset.drawn) return;
    element.dataset.drawn = "yes";
    const { data, layout } = specs[element.dataset.figure];
    const full = { ...layout, autosize: true, font: { family: font, size: 13 } };
    Plotly.newPlot(element, data, full, config).then(() => {
      // A legend of many rows takes no height from the axes.
      const more = Math.max(0, (element._fullLayout.legend?._height ?? 0) - 60);
      return Plotly.relayout(element, { ...colors(themed()), height: layout.height + more });
    });
  }

  const all = () => [...document.querySelectorAll(".plot")];
  const drawn = () => all().filter((element) => element.dataset.drawn);
  // A folded figure has no width, so it is drawn when it opens.
  all().filter((element) => !element.closest("details:not([open])")).forEach(draw);
  document.querySelectorAll("details").forEach((details) => details.addEventListener("toggle", () => {
    if (details.open) details.querySelectorAll(".plot").forEach(draw);
  }));
  dark.addEventListener("change", () => drawn().forEach((element) => Plotly.relayout(element, colors(themed()))));
  // Print light and narrow, whatever the screen is.
  addEventListener("beforeprint", () => drawn().forEach((element) => Plotly.relayout(element, { ...colors(themes.light), width: 660 })));
  addEventListener("afterprint", () => drawn().forEach((element) => Plotly.relayout(element, { ...colors(themed()), width: null, autosize: true })));
  document.documentElement.dataset.ready = "yes";
})();
