"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const slider = document.getElementById("step");
  const play = document.getElementById("play");
  const told = document.getElementById("told");
  const svg = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    document.getElementById("paths").append(node);
    return node;
  };
  const last = Math.max(...data.paths.map((path) => path.heights.length - 1), 0);
  const drawn = data.paths.map((path) => {
    const trail = svg("polyline", { class: "trail", stroke: path.color, "stroke-dasharray": path.dash });
    const head = svg("circle", { r: 5, fill: path.color });
    const row = document.createElement("li");
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    const height = Object.assign(document.createElement("span"), { className: "height" });
    swatch.style.background = path.color;
    label.append(box, swatch, path.label, height);
    row.append(label);
    document.getElementById("legend").append(row);
    box.addEventListener("change", () => show());
    return { path, trail, head, box, height };
  });
  const [x, y] = data.start.at;
  svg("rect", { class: "start", x: x - 4, y: y - 4, width: 8, height: 8 });
  const near = { class: "start", x: x + (x > 500 ? -8 : 8), y: y + (y < 24 ? 20 : -8), "font-size": 14 };
  svg("text", { ...near, "text-anchor": x > 500 ? "end" : "start" }).textContent = data.start.text;

  function show() {
    const step = Number(slider.value);
    told.value = `step ${step} of ${last}`;
    for (const { path, trail, head, box, height } of drawn) {
      const gone = step >= path.points.length;
      trail.setAttribute("points", path.points.slice(0, step + 1).map((point) => point.join(",")).join(" "));
      trail.style.display = box.checked ? "" : "none";
      head.style.display = box.checked && !gone ? "" : "none";
      if (!gone) {
        head.setAttribute("cx", path.points[step][0]);
        head.setAttribute("cy", path.points[step][1]);
      }
      height.textContent = path.heights[Math.min(step, path.heights.length - 1)];
    }
  }

  let timer = null;
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (Number(slider.value) >= last) slider.value = 0;
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (Number(slider.value) >= last) return stop();
      slider.value = Number(slider.value) + 1;
      show();
    }, Math.max(40, Math.min(200, 6000 / Math.max(last, 1))));
    show();
  });
  slider.max = last;
  slider.value = last; // show whole paths until Play is pressed
  slider.addEventListener("input", () => { stop(); show(); });
  show();
})();
