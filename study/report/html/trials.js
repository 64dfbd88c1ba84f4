"use strict";
// Makes the headings of tables of trials buttons that sort, and offers one optimizer alone.
const studyTables = (() => {
  const number = /^[+\u2212-]?(\d|\.\d|inf)/;

  // A cell's value: a number without its unit, a text, or nothing, which comes last in either order.
  function valueOf(row, column) {
    const text = row.cells[column].textContent.trim();
    if (text === "") return null;
    return number.test(text) ? parseFloat(text.replace("\u2212", "-").replace("inf", "Infinity")) : text.toLowerCase();
  }

  function compare(one, other, sign) {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") return sign * (one - other);
    return sign * String(one).localeCompare(String(other), "en", { numeric: true });
  }

  function sort(table, column, order) {
    const sign = order === "descending" ? -1 : 1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    rows.sort(([one], [other]) => compare(one, other, sign));
    body.append(...rows.map(([, row]) => row));
    for (const heading of table.tHead.rows[0].cells) heading.removeAttribute("aria-sort");
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", order);
  }

  function show(table, label) {
    for (const row of table.tBodies[0].rows) row.hidden = label !== "" && row.cells[0].textContent !== label;
    table.dataset.shown = label;
  }

  function makeButtons(table) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      heading.dataset.title = heading.textContent;
      button.append(...heading.childNodes);
      button.addEventListener("click", () => {
        const now = heading.getAttribute("aria-sort");
        sort(table, column, now === "ascending" ? "descending" : "ascending");
      });
      heading.append(button);
    });
  }

  function makeChoice(table) {
    const labels = [...new Set([...table.tBodies[0].rows].map((row) => row.cells[0].textContent))].sort();
    if (labels.length < 2) return;
    const choice = document.createElement("select");
    choice.append(new Option("all optimizers", ""), ...labels.map((label) => new Option(label)));
    choice.addEventListener("change", () => show(table, choice.value));
    const label = document.createElement("label");
    label.className = "choice";
    label.append("Show ", choice);
    table.closest(".scroll").before(label);
  }

  const all = (root) => [...root.querySelectorAll("table.trials")];

  function start(root) {
    for (const table of all(root)) {
      makeButtons(table);
      makeChoice(table);
    }
  }

  // Order and choice of each table, by its key.
  function state() {
    return Object.fromEntries(all(document).map((table) => {
      const heading = table.querySelector("th[aria-sort]");
      const sorted = heading && { title: heading.textContent, order: heading.getAttribute("aria-sort") };
      return [table.dataset.key, { sorted, shown: table.dataset.shown ?? "" }];
    }));
  }

  function restore(states) {
    for (const table of all(document)) {
      const { sorted, shown } = states[table.dataset.key] ?? {};
      const headings = [...table.tHead.rows[0].cells];
      const column = headings.findIndex((heading) => heading.textContent === sorted?.title);
      if (column >= 0) sort(table, column, sorted.order);
      const choice = table.closest(".scroll").previousElementSibling?.querySelector("select");
      if (shown && choice && [...choice.options].some((option) => option.value === shown)) {
        choice.value = shown;
        show(table, shown);
      }
    }
  }

  start(document);
  return { start, state, restore };
})();
