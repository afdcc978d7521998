// Conveniences only: the page says everything without them.
"use strict";

// A head of a sortable table sorts by its column: numbers from the lowest, as weak classes are
// what one looks for; a second time, the other way. Cells without a number stay last.
function sortBy(table, column, head) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = Array.from(table.tBodies[0].rows);
  const text = (row) => row.cells[column].textContent.trim();
  const number = (row) => parseFloat(row.cells[column].dataset.value);
  rows.sort((a, b) => {
    if (!head.classList.contains("n")) {
      return (up ? 1 : -1) * text(a).localeCompare(text(b), undefined, { numeric: true });
    }
    const x = number(a), y = number(b);
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
    return up ? x - y : y - x;
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    // Not a <button>: browsers leave form controls out of the head they repeat on printed pages.
    const button = document.createElement("span");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, column, head));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sortBy(table, column, head);
    });
  });
}

// Pointing at a class in one map, or in the legend, shows it in all of them.
const maps = document.getElementById("maps");
if (maps) {
  const point = (name) => {
    maps.classList.toggle("pointing", name !== undefined);
    for (const element of maps.querySelectorAll("[data-class]")) {
      element.classList.toggle("pointed", element.dataset.class === name);
    }
  };
  maps.addEventListener("pointerover", (event) => {
    point(event.target.closest("[data-class]")?.dataset.class);
  });
  maps.addEventListener("pointerleave", () => point(undefined));
}

// A table that is wider than the screen says so, where a shadow may be overlooked.
function cue(box) {
  const wide = box.scrollWidth > box.clientWidth + 4;
  const said = box.nextElementSibling?.classList.contains("cue") ? box.nextElementSibling : null;
  if (said) said.hidden = !wide;
  else if (wide) {
    const note = document.createElement("p");
    note.className = "cue";
    note.setAttribute("aria-hidden", "true");
    note.textContent = "← scroll sideways for more columns →";
    box.after(note);
  }
}
const boxes = Array.from(document.querySelectorAll(".scroll"));
const watcher = new ResizeObserver((entries) => entries.forEach((entry) => cue(entry.target)));
boxes.forEach((box) => watcher.observe(box));

// A closed <details> would be missing from the print.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
