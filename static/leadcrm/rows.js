/* Rows of inputs in a form (leads/admin/rows.py): add one, remove one, move one. Without this script there is one spare
   row, and the order stays. */

(() => {
  "use strict";

  const buttons = "[data-add], [data-remove], [data-up], [data-down]";
  const input = "input:not([type=hidden]), select";

  const prepare = (rows) => {
    rows.querySelectorAll(buttons).forEach((button) => { button.hidden = false; });
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-rows]").forEach(prepare));

  document.addEventListener("click", (event) => {
    const button = event.target.closest(buttons);
    const rows = button && button.closest("[data-rows]");
    if (!rows) return;
    const body = rows.querySelector("[data-body]");
    if (button.matches("[data-add]")) {
      body.append(rows.querySelector("template").content.cloneNode(true));
      prepare(rows);
      body.lastElementChild.querySelector(input).focus();
    } else if (button.matches("[data-up], [data-down]")) {
      const row = button.closest("[data-row]");
      const other = button.matches("[data-up]") ? row.previousElementSibling : row.nextElementSibling;
      if (!other) return;
      if (button.matches("[data-up]")) other.before(row);
      else other.after(row);
      button.focus();
    } else {
      const row = button.closest("[data-row]");
      const next = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      (next ? next.querySelector(input) : rows.querySelector("[data-add]")).focus();
    }
    // Leaving the page now asks, as it does after typing.
    rows.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
