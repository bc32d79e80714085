"use strict";
// A heading sorts by its column: numbers from large to small first, texts from A to Z; what is unknown stays last.
const body = document.querySelector("tbody");
const headings = [...document.querySelectorAll("thead th")];
headings.forEach((heading, column) => {
  heading.querySelector("button").addEventListener("click", () => {
    const rows = [...body.rows].map((row) => ({ row, cell: row.cells[column] }));
    const numeric = rows.some(({ cell }) => cell.dataset.value !== undefined);
    const known = ({ cell }) => !numeric || cell.dataset.value !== undefined;
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const order = heading.getAttribute("aria-sort") === first ? second : first;
    const sign = order === "ascending" ? 1 : -1;
    rows.sort((one, other) => {
      if (!known(one) || !known(other)) return known(other) - known(one);
      return sign * (numeric
        ? Number(one.cell.dataset.value) - Number(other.cell.dataset.value)
        : one.cell.textContent.localeCompare(other.cell.textContent));
    });
    headings.forEach((other) => other.setAttribute("aria-sort", other === heading ? order : "none"));
    body.append(...rows.map(({ row }) => row));
  });
});
