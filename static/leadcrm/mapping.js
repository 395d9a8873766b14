/* The mapping page of an inbound webhook (webhooks/admin/inbound_mapping.py): its buttons in place, and the preview of
   what was typed. Without this script each button posts the form and brings the page anew. */

(() => {
  "use strict";

  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  let form, rows;
  // The row that the next click on a value fills; a new one where there is none.
  let target = null;
  let changed = false;

  const input = (row, part) => row.querySelector(`[name="row-${row.dataset.row}-${part}"]`);
  const value = (row) => input(row, "value");
  const shown = () => all("[data-row]", rows);

  function aim(row) {
    target = row;
    for (const each of shown()) each.classList.toggle("aimed", each === row);
  }

  function tell() {
    changed = true;
    form.dispatchEvent(new Event("mapped"));
  }

  function cloned(template, number) {
    const holder = document.createElement("template");
    holder.innerHTML = template.innerHTML.replaceAll("__n__", number);
    return holder.content.firstElementChild;
  }

  function addRow() {
    const number = rows.dataset.next;
    rows.dataset.next = Number(number) + 1;
    const row = cloned(document.getElementById("mapping-row"), number);
    rows.append(row);
    return row;
  }

  function addStep(row, does, by = "") {
    const template = document.querySelector(`template[data-step="${CSS.escape(does)}"]`);
    if (!template) return;
    const chip = cloned(template, row.dataset.row);
    row.querySelector("[data-steps]").append(chip);
    chip.querySelector("[name$='-by']").value = by;
    row.querySelector("details").open = true;
    return chip;
  }

  // A row that fills the field of a suggestion, as its button says.
  function use(button) {
    const row = addRow();
    input(row, "field").value = button.dataset.use;
    value(row).value = button.dataset.path;
    for (const step of button.dataset.steps.split(";").filter(Boolean)) {
      const at = step.indexOf("=");
      addStep(row, step.slice(0, at), step.slice(at + 1));
    }
    button.closest("li").remove();
    return row;
  }

  const suggested = (path) => all("[data-use]").find((button) => button.dataset.path === path);

  function pick(path) {
    let row = target?.isConnected ? target : null;
    if (row) {
      input(row, "from").value = "path";
      value(row).value = path;
    } else if (suggested(path)) {
      row = use(suggested(path));
    } else {
      row = addRow();
      value(row).value = path;
    }
    row.querySelector(".lc-map-told").textContent = "";
    // Where the rows are below the sample, whoever clicks its values stays there.
    if (form.clientWidth >= 700) row.scrollIntoView({ block: "nearest" });
    if (!input(row, "field").value) input(row, "field").focus();
    aim(null);
    flash(row);
  }

  function flash(row) {
    row.classList.remove("filled");
    requestAnimationFrame(() => row.classList.add("filled"));
  }

  // Which values of the tree a row reads, and which rows are wrong, as the preview says.
  function mark() {
    for (const row of shown()) {
      const wrong = row.querySelector(".lc-map-told").classList.contains("faulty");
      row.classList.toggle("faulty", wrong);
      for (const part of ["field", "value"]) input(row, part).setAttribute("aria-invalid", String(wrong));
    }
    const labels = new Map(all("#mapping-marks > li").map((one) => [one.dataset.place, one.textContent]));
    for (const item of all("#mapping-tree > li")) {
      item.querySelector(".lc-tree-used").textContent = labels.get(item.dataset.place) || "";
    }
  }

  // What matches, and what it is in.
  function find(words) {
    const wanted = words.trim().toLowerCase();
    const open = [];
    for (const item of all("#mapping-tree > li")) {
      const depth = Number(item.dataset.depth);
      open.length = depth;
      open[depth] = item;
      const matches = !wanted || `${item.querySelector("[name=_pick]").value} ${item.textContent}`.toLowerCase().includes(wanted);
      item.hidden = !matches;
      if (matches) open.forEach((above) => { above.hidden = false; });
    }
    stop(form.querySelector("#mapping-tree > li:not([hidden])"));
  }

  // One stop of the Tab key in the tree: the arrows move in it.
  function stop(at) {
    for (const item of all("#mapping-tree > li")) {
      all("button, summary", item).forEach((each) => { each.tabIndex = item === at ? 0 : -1; });
    }
  }

  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const item = event.target.closest("#mapping-tree > li");
    if (!step || !item) return;
    event.preventDefault();
    const items = all("#mapping-tree > li:not([hidden])");
    items[items.indexOf(item) + step]?.querySelector("[name=_pick]").focus();
  }

  function press(event) {
    const button = event.target.closest("button");
    if (!button || !form.contains(button)) return;
    const row = button.closest("[data-row]");
    if (button.name === "_pick") {
      pick(button.value);
    } else if (button.matches("[data-use]")) {
      const next = button.closest("li").nextElementSibling?.querySelector("[data-use]");
      flash(use(button));
      next?.focus();
    } else if (button.matches("[data-use-all]")) {
      all("[data-use]:not([data-wary])").map(use).forEach(flash);
    } else if (button.matches("[data-add-row]")) {
      input(addRow(), "field").focus();
    } else if (button.matches("[data-remove-row]")) {
      const near = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      (near ? input(near, "field") : form.querySelector("[data-add-row]")).focus();
    } else if (button.matches("[data-remove-step]")) {
      button.closest("[data-chip]").remove();
      row.querySelector("[data-add-step]").focus();
    } else {
      return;
    }
    event.preventDefault();
    tell();
  }

  function start() {
    form = document.getElementById("mapping-form");
    if (!form) return;
    rows = document.getElementById("mapping-rows");
    changed = "changed" in form.dataset;
    // It is for browsers without scripts.
    rows.querySelector(".lc-filter-spare").remove();

    form.addEventListener("click", press);
    form.addEventListener("submit", () => { changed = false; });
    form.addEventListener("keydown", move);
    form.addEventListener("focusin", (event) => {
      const item = event.target.closest("#mapping-tree > li");
      if (item) stop(item);
      const row = event.target.closest("[data-row]");
      if (row) aim(event.target === value(row) || (!value(row).value && input(row, "from").value === "path") ? row : null);
      else if (!event.target.closest(".lc-map-sample")) aim(null);
    });
    form.addEventListener("input", (event) => {
      if (event.target.id === "tree-find") find(event.target.value);
      else if (event.target.closest("[data-row]") && !event.target.matches("[data-add-step]")) tell();
    });
    form.addEventListener("change", (event) => {
      const select = event.target;
      if (select.dataset.press) {
        changed = false;
        form.querySelector(`[name="${select.dataset.press}"]`).click();
      } else if (select.matches("[data-add-step]") && select.value) {
        const chip = addStep(select.closest("[data-row]"), select.value);
        select.value = "";
        chip?.querySelector("input:not([type=hidden])")?.focus();
        tell();
      } else if (select.type === "checkbox") {
        tell();
      }
    });
    // Enter looks for it; the form is not to be sent.
    document.getElementById("tree-find")?.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    document.addEventListener("htmx:afterSettle", (event) => {
      if (event.target.id === "mapping-preview") mark();
    });
    window.addEventListener("beforeunload", (event) => {
      if (changed) event.preventDefault();
    });
    stop(form.querySelector("#mapping-tree > li"));
    mark();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
