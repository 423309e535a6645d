"use strict";
// Everything foreign (prompts, labels, errors) reaches the page through textContent only.

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Sortable tables: each group of rows is sorted in itself, missing values stay last.

function cellKey(row, column) {
  const cell = row.cells[column];
  if (!cell || cell.classList.contains("missing")) return null;
  return cell.dataset.sort !== undefined ? sortNumber(cell.dataset.sort) : cell.textContent.trim().toLowerCase();
}

function sortNumber(text) {
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? (a < b ? -1 : a > b ? 1 : 0) : a.localeCompare(b));
}

function sortTable(table, heading, original) {
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  const order = next[heading.getAttribute("aria-sort") || "none"];
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  if (order !== "none") heading.setAttribute("aria-sort", order);
  const sign = order === "descending" ? -1 : 1;
  for (const [body, rows] of original) {
    const sorted = order === "none" ? rows
      : [...rows].sort((a, b) => compare(cellKey(a, heading.cellIndex), cellKey(b, heading.cellIndex), sign));
    body.append(...sorted);
  }
}

for (const table of document.querySelectorAll("figure.table table")) {
  const original = [...table.tBodies].map((body) => [body, [...body.rows].filter((row) => row.className !== "group")]);
  if (!original.some(([, rows]) => rows.length > 1)) continue;
  for (const heading of table.tHead.rows[0].cells) {
    const button = make("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortTable(table, heading, original));
  }
}
