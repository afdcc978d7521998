// Conveniences only: the page says everything without them.
(function () {
  "use strict";
  function value(row, column) {
    var cell = row.cells[column];
    var text = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim();
    return text;
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var numeric = head.classList.contains("n");
        // Numbers start with the lowest: the weak classes are what one looks for.
        var up = head.getAttribute("aria-sort") !== "ascending";
        Array.prototype.forEach.call(heads, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var rows = Array.prototype.slice.call(table.tBodies[0].rows);
        rows.sort(function (a, b) {
          var x = value(a, column), y = value(b, column), order;
          if (numeric) {
            x = parseFloat(x); y = parseFloat(y);
            if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);  // no number: always last
            order = x - y;
          } else {
            order = x.localeCompare(y, undefined, { numeric: true });
          }
          return up ? order : -order;
        });
        rows.forEach(function (row) { table.tBodies[0].appendChild(row); });
      });
    });
  });
  // Pointing at a class in one map, or in the legend, shows it in all of them.
  var maps = document.getElementById("maps");
  if (maps) {
    maps.addEventListener("pointerover", function (event) {
      var marked = event.target.closest("[data-class]");
      maps.classList.toggle("pointing", !!marked);
      maps.querySelectorAll("[data-class]").forEach(function (element) {
        element.classList.toggle("pointed", !!marked && element.dataset.class === marked.dataset.class);
      });
    });
    maps.addEventListener("pointerleave", function () { maps.classList.remove("pointing"); });
  }
  // A closed <details> would be missing from the print.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (details) { details.open = true; });
  });
})();
