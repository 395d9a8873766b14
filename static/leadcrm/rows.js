/* Rows of inputs in a form (leads/admin/rows.py): add one, remove one. Without this script there is one spare row. */

(() => {
  "use strict";

  const prepare = (rows) => {
    rows.querySelectorAll("[data-add], [data-remove]").forEach((button) => { button.hidden = false; });
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-rows]").forEach(prepare));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add], [data-remove]");
    const rows = button && button.closest("[data-rows]");
    if (!rows) return;
    const body = rows.querySelector("[data-body]");
    if (button.matches("[data-add]")) {
      body.append(rows.querySelector("template").content.cloneNode(true));
      prepare(rows);
      body.lastElementChild.querySelector("input:not([type=hidden])").focus();
    } else {
      const row = button.closest("[data-row]");
      const next = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      (next ? next.querySelector("input:not([type=hidden])") : rows.querySelector("[data-add]")).focus();
    }
    // Leaving the page now asks, as it does after typing.
    rows.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
