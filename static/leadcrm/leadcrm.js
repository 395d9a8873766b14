/* What the pages do beside Unfold's own scripts. The top of leadcrm.css says which attributes ask for what.
   Everything is delegated or idempotent, as htmx, Alpine and our own refresh replace parts of the page. */

(() => {
  "use strict";

  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const visible = (element) => element.getClientRects().length > 0;
  const typing = (element) =>
    element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) && !/^(checkbox|radio)$/.test(element.type);

  /* ---- Relative times, worded as leads/admin/display.py words them ---- */

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const UNITS = [[1, 60, "s"], [60, 3600, "min"], [3600, 86400, "h"], [86400, Infinity, "d"]];

  function span(seconds, rounded) {
    for (const [size, next, unit] of UNITS) {
      const count = rounded(seconds / size);
      if (count * size < next) return `${count} ${unit}`;
    }
  }

  function relative(when, rounded) {
    const seconds = (Date.now() - when.getTime()) / 1000;
    if (Math.abs(seconds) >= 7 * 86400) {
      return `${when.getUTCDate()} ${MONTHS[when.getUTCMonth()]} ${when.getUTCFullYear()}`;
    }
    return seconds >= 0 ? `${span(seconds, rounded)} ago` : `in ${span(-seconds, rounded)}`;
  }

  function tick() {
    if (document.hidden) return;
    for (const element of all("time[data-ago]")) {
      const words = relative(new Date(element.dateTime), element.dataset.ago === "up" ? Math.ceil : Math.floor);
      if (element.textContent !== words) element.textContent = words;
    }
  }

  /* ---- Words for those who do not see the page change ---- */

  function announce(words) {
    let region = document.getElementById("lc-announce");
    if (!region) {
      region = document.createElement("div");
      region.id = "lc-announce";
      region.className = "lc-visually-hidden";
      region.setAttribute("role", "status");
      document.body.append(region);
    }
    region.textContent = words;
  }

  /* ---- Copy ---- */

  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return;
    }
    // Plain http on another host has no clipboard object.
    const holder = document.createElement("textarea");
    holder.value = text;
    holder.className = "lc-visually-hidden";
    document.body.append(holder);
    holder.select();
    const done = document.execCommand("copy");
    holder.remove();
    if (!done) throw new Error("the browser refused");
  }

  async function copyBy(button) {
    const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
    const label = button.querySelector("[data-label]") || button.lastChild;
    const words = button.dataset.words || (button.dataset.words = label.textContent);
    let said = "Copied";
    try {
      await copy(source ? source.value ?? source.textContent : button.dataset.copy);
    } catch {
      said = "Not copied: select the text and copy it by hand";
    }
    label.textContent = said;
    announce(said);
    setTimeout(() => { label.textContent = words; }, 2000);
  }

  /* ---- Pretty and Raw ---- */

  function show(button) {
    const views = button.closest("[data-views]");
    for (const other of all("[data-show]", views)) other.setAttribute("aria-pressed", String(other === button));
    for (const view of all("[data-view]", views)) view.hidden = view.dataset.view !== button.dataset.show;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from], [data-show]");
    if (button) {
      if (button.dataset.show) show(button);
      else copyBy(button);
    }
    // Unfold's Cancel is a link to "#": followed, it would scroll the page behind the dialog to its top.
    if (event.target.closest("#dialog a[href='#']")) event.preventDefault();
  });

  /* ---- Keyboard reach of what Unfold gives to the mouse only ---- */

  const NAMES = {
    dock_to_right: "Show or hide the menu",
    close: "Close",
    more_horiz: "More",
    expand_more: "Expand",
    arrow_back: "Back",
    computer: "Theme",
    light_mode: "Theme",
    dark_mode: "Theme",
    hub: "Home",
  };

  function iconsOnly(element) {
    const rest = element.cloneNode(true);
    all(".material-symbols-outlined", rest).forEach((icon) => icon.remove());
    return element.classList.contains("material-symbols-outlined") || rest.textContent.trim() === "";
  }

  function nameOf(element) {
    const icon = element.matches(".material-symbols-outlined") ? element : element.querySelector(".material-symbols-outlined");
    const glyph = icon ? icon.textContent.trim() : "";
    const row = element.closest("tr");
    const first = row && row.querySelector("th");
    const name = NAMES[glyph] || glyph.replaceAll("_", " ");
    return glyph === "more_horiz" && first ? `Actions for ${first.innerText.trim().split("\n")[0]}` : name;
  }

  const tabState = new MutationObserver((records) => {
    for (const { target } of records) target.setAttribute("aria-selected", String(target.classList.contains("active")));
  });

  function reachTabs(list) {
    const tabs = Array.from(list.children);
    if (!tabs.length || !tabs.every((tab) => tab.tagName === "A" && tab.hasAttribute("x-on:click"))) return;
    if (!list.hasAttribute("role")) {
      list.setAttribute("role", "tablist");
      list.setAttribute("aria-label", "Parts of this page");
    }
    for (const tab of tabs) {
      if (tab.getAttribute("role") === "tab") continue;
      tab.setAttribute("role", "tab");
      tab.setAttribute("tabindex", "0");
      tab.setAttribute("aria-selected", String(tab.classList.contains("active")));
      tabState.observe(tab, { attributes: true, attributeFilter: ["class"] });
    }
  }

  // "5 min ago" is; "2 of 3 next in 48 s" is not.
  function isTime(cell) {
    const time = cell.querySelector("time");
    return Boolean(time) && cell.textContent.trim().startsWith(time.textContent.trim());
  }

  function reach(root = document) {
    // The icons are ligatures: without this they are read out as "dock to right".
    all(".material-symbols-outlined:not([aria-hidden], [x-on\\:click])", root).forEach((icon) => icon.setAttribute("aria-hidden", "true"));
    all("#tabs-items, .fieldset-tabs nav, [x-data*='activeFieldsetTab'] nav", root).forEach(reachTabs);
    for (const element of all("[x-on\\:click]:not([role], [tabindex], button, input, select, textarea, #changelist-filter-close)", root)) {
      if (element.tagName === "A" && element.hasAttribute("href")) continue;
      if (element.querySelector("a[href], button, input")) continue;
      element.setAttribute("role", "button");
      element.setAttribute("tabindex", "0");
      if (iconsOnly(element) && !element.hasAttribute("aria-label")) element.setAttribute("aria-label", nameOf(element));
      if (/open|rowOpen/i.test(element.getAttribute("x-on:click")) && element.querySelector(".material-symbols-outlined")) {
        element.setAttribute("aria-haspopup", "true");
      }
    }
    for (const element of all("a[href]:not([aria-label]):has(.material-symbols-outlined)", root)) {
      if (iconsOnly(element)) element.setAttribute("aria-label", element.title || nameOf(element));
    }
    for (const input of all("#searchbar, #search-input-command", root)) {
      if (!input.labels?.length) input.setAttribute("aria-label", input.placeholder || "Search");
    }
    // Select2 names its field by its value, and an empty one by nothing.
    for (const field of all(".select2-selection:not([data-lc-named])", root)) {
      const select = field.closest(".select2-container")?.previousElementSibling;
      const label = select?.labels?.[0];
      if (!label) continue;
      label.id = label.id || `${select.id}-label`;
      const value = field.querySelector(".select2-selection__rendered");
      field.setAttribute("aria-labelledby", value?.id ? `${label.id} ${value.id}` : label.id);
      value?.setAttribute("aria-labelledby", label.id);
      field.querySelector(".select2-search__field")?.setAttribute("aria-labelledby", label.id);
      field.dataset.lcNamed = "1";
    }
    const buttons = { "searchbar-submit": "Search", "command-submit": "Search" };
    for (const [id, name] of Object.entries(buttons)) document.getElementById(id)?.setAttribute("aria-label", name);
    // On a phone a row is a card without column heads: what is missing goes, a bare number or "Never" keeps its label.
    const labelled = ".field-shown_last_success, .field-last_seen, .field-last_used, .field-expires";
    for (const cell of all("#result_list td:not(.lc-seen), .result-list td:not(.lc-seen)", root)) {
      const text = cell.textContent.trim();
      cell.classList.add("lc-seen");
      if (cell.matches(".action-checkbox, .field-actions_holder")) continue;
      if (/^[–-]?$/.test(text) && !cell.querySelector("input, img")) cell.classList.add("lc-none");
      else if ((/^\d/.test(text) && !isTime(cell)) || cell.matches(labelled)) cell.classList.add("lc-bare");
    }
    document.getElementById("main")?.setAttribute("role", "main");
    document.getElementById("nav-sidebar-inner")?.setAttribute("aria-label", "Main menu");
    document.querySelector("#tabs-items:not([role])")?.setAttribute("aria-label", "Views");
    all(".simplebar-content-wrapper[tabindex='0']", root).forEach((area) => {
      area.setAttribute("role", "region");
      area.setAttribute("aria-label", area.closest("nav") ? "Menu" : "Content");
    });
  }

  let opener = null;

  function openMenuOf() {
    return all("body > nav, #nav-sidebar-inner nav, #main nav.absolute").find((menu) => menu.querySelector("a, button") && visible(menu) && menu.matches(".shadow-lg"));
  }

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (target.matches?.("[role=button], [role=tab]") && (event.key === "Enter" || event.key === " ")) {
      if (target.tagName === "BUTTON" || (target.tagName === "A" && target.hasAttribute("href"))) return;
      event.preventDefault();
      opener = target;
      target.click();
      setTimeout(() => openMenuOf()?.querySelector("a, button")?.focus(), 80);
      return;
    }
    const list = target.closest?.("[role=tablist]");
    if (list && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      const tabs = Array.from(list.children);
      const next = tabs[(tabs.indexOf(target) + (event.key === "ArrowRight" ? 1 : tabs.length - 1)) % tabs.length];
      next.focus();
      return;
    }
    const menu = openMenuOf();
    if (!menu) return;
    if (event.key === "Escape") {
      // Unfold's menus close on a click outside, and on nothing else.
      document.body.click();
      opener?.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = all("a, button", menu).filter(visible);
      const at = items.indexOf(document.activeElement);
      if (at < 0) return;
      event.preventDefault();
      items[(at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length].focus();
    }
  });

  /* ---- Dialogs: role, name, first field, Tab kept inside, focus given back ---- */

  const FOCUSABLE = "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select, textarea, [tabindex='0']";

  function dialog(box, name) {
    if (!box || box.dataset.lcDialog) return;
    box.dataset.lcDialog = "1";
    let back = null;
    let open = false;
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-modal", "true");
    const update = () => {
      if (visible(box) === open) return;
      open = !open;
      if (open) {
        back = document.activeElement;
        name(box);
        const fields = all(FOCUSABLE, box).filter(visible);
        (fields.find((field) => typing(field) || field.type === "checkbox" || field.type === "radio") || fields.find((field) => field.type === "submit") || fields[0])?.focus();
      } else if (!document.activeElement || document.activeElement === document.body || box.contains(document.activeElement)) {
        (back?.isConnected ? back : opener)?.focus();
      }
    };
    const observer = new MutationObserver(() => requestAnimationFrame(update));
    for (let up = box; up && up !== document.body; up = up.parentElement) {
      observer.observe(up, { attributes: true, attributeFilter: ["style", "class"] });
    }
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Tab") return;
      const fields = all(FOCUSABLE, box).filter(visible);
      if (!fields.length) return;
      const edge = event.shiftKey ? fields[0] : fields[fields.length - 1];
      if (document.activeElement === edge || !box.contains(document.activeElement)) {
        event.preventDefault();
        (event.shiftKey ? fields[fields.length - 1] : fields[0]).focus();
      }
    });
    update();
  }

  function dialogs() {
    dialog(document.getElementById("modal-content"), (box) => {
      const title = box.querySelector("h1, h2");
      if (!title) return;
      title.id = title.id || "lc-dialog-title";
      // The page has one h1, its breadcrumb.
      title.setAttribute("aria-level", "2");
      title.setAttribute("role", "heading");
      box.setAttribute("aria-labelledby", title.id);
    });
    dialog(document.querySelector("#changelist-filter > div:last-child"), (box) => box.setAttribute("aria-label", "Filters"));
    dialog(document.querySelector("[x-data^='searchCommand'] > div"), (box) => box.setAttribute("aria-label", "Search"));
  }

  /* ---- j, k, Enter, x in lists ---- */

  const ROWS = "#result_list tr.data-row, .lc-keys tbody tr, .lc-keys > li";

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.target.closest?.("[role=dialog], nav")) return;
    if (!["j", "k", "x", "Enter"].includes(event.key)) return;
    const rows = all(ROWS).filter(visible);
    if (!rows.length || all("[role=dialog]").some(visible)) return;
    const current = rows.findIndex((row) => row.contains(document.activeElement));
    if (event.key === "j" || event.key === "k") {
      const next = event.key === "j" ? Math.min(current + 1, rows.length - 1) : Math.max(current - 1, 0);
      rows[next].tabIndex = -1;
      rows[next].focus({ preventScroll: true });
      rows[next].scrollIntoView({ block: "nearest" });
    } else if (current >= 0 && event.key === "x") {
      rows[current].querySelector("input[type=checkbox]")?.click();
    } else if (current >= 0 && event.key === "Enter" && document.activeElement === rows[current]) {
      rows[current].querySelector("th a[href], a[href]")?.click();
    }
  });

  /* ---- Enter in the palette: what is chosen, else the first hit, as soon as the words that stand there are answered ---- */

  let openFirst = null;

  function firstHit(words) {
    const list = document.getElementById("command-results-list");
    if (!words || list?.dataset.words !== words) return;
    const link = list.querySelector("a[href]");
    if (link) openFirst(link.href);
    openFirst = null;
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.id !== "search-input-command") return;
    if (document.querySelector("#command-results-list li.active")) return;
    // Unfold's own answer is an error where nothing is chosen.
    event.preventDefault();
    event.stopPropagation();
    openFirst = event.ctrlKey || event.metaKey ? (href) => window.open(href, "_blank") : (href) => { window.location = href; };
    firstHit(event.target.value.trim());
  }, true);

  document.addEventListener("input", (event) => {
    if (event.target.id === "search-input-command") openFirst = null;
  });

  /* ---- Parts of a page that fetch themselves again ---- */

  const seen = new Map();

  function busy(part) {
    const chosen = window.getSelection();
    const selecting = chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
    const editing = part.contains(document.activeElement) && typing(document.activeElement);
    const ticked = part.querySelector("input.action-select:checked");
    return selecting || editing || ticked || openMenuOf() || all("[role=dialog]").some(visible);
  }

  // Where the focus is, in words that still hold in the new markup.
  function address(part) {
    const active = document.activeElement;
    if (!part.contains(active)) return null;
    if (active.id) return (root) => root.querySelector(`#${CSS.escape(active.id)}`);
    if (active.matches("a[href]")) {
      const href = active.getAttribute("href");
      const words = active.textContent;
      return (root) => all("a[href]", root).find((link) => link.getAttribute("href") === href && link.textContent === words);
    }
    const link = active.querySelector("a[href]");
    if (!link) return null;
    const href = link.getAttribute("href");
    const tag = active.tagName;
    return (root) => all("a[href]", root).find((each) => each.getAttribute("href") === href)?.closest(tag);
  }

  function swap(part, fresh) {
    const focus = address(part);
    const scrolls = [part, ...all(".lc-mono, .lc-scroll, .simplebar-content-wrapper", part)].map((box) => [box.scrollTop, box.scrollLeft]);
    const opened = all("details[open][id]", part).map((each) => each.id);
    const shown = all("[data-show][aria-pressed=true]", part).map((button) => button.dataset.show);
    part.innerHTML = fresh.innerHTML;
    for (const attribute of Array.from(fresh.attributes)) {
      if (!attribute.name.startsWith("x-")) part.setAttribute(attribute.name, attribute.value);
    }
    if (!fresh.dataset.refresh) part.removeAttribute("data-refresh");
    window.htmx?.process(part);
    opened.forEach((id) => part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", ""));
    shown.forEach((name, at) => {
      const button = all("[data-views]", part)[at]?.querySelector(`[data-show="${CSS.escape(name)}"]`);
      if (button) show(button);
    });
    [part, ...all(".lc-mono, .lc-scroll, .simplebar-content-wrapper", part)].forEach((box, at) => {
      if (scrolls[at]) [box.scrollTop, box.scrollLeft] = scrolls[at];
    });
    const target = focus?.(part);
    if (target) {
      if (target.tabIndex < 0) target.tabIndex = -1;
      target.focus({ preventScroll: true });
    }
    reach(part);
    tick();
    // The script of bulk actions has bound itself to the checkboxes that are gone.
    const rows = part.querySelectorAll("tr input.action-select");
    if (rows.length && window.Actions) window.Actions(rows, { parent: part.closest(".result-list-wrapper") || part });
    part.dispatchEvent(new CustomEvent("lc:refreshed", { bubbles: true }));
  }

  async function refresh() {
    const parts = all("[data-refresh][id]");
    if (!parts.length) return;
    const seconds = Math.max(1, Math.min(...parts.map((part) => Number(part.dataset.refresh) || 5)));
    let again = seconds;
    if (!document.hidden && !parts.some(busy)) {
      try {
        const answer = await fetch(window.location.href, { headers: { "X-Requested-With": "XMLHttpRequest" } });
        // Signed out meanwhile: the page stays as it is, and stops asking.
        if (answer.redirected) return;
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          for (const part of parts) {
            const fresh = page.getElementById(part.id);
            // A relative time in words differs each second: only what the server means by it counts.
            const key = fresh && fresh.outerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1").replace(/csrfmiddlewaretoken[^>]*/g, "");
            if (fresh && seen.get(part.id) !== key && part.isConnected && !busy(part)) {
              if (seen.has(part.id) || part.innerHTML !== fresh.innerHTML) swap(part, fresh);
              seen.set(part.id, key);
            }
          }
        } else {
          again = seconds * 4;
        }
      } catch {
        again = seconds * 4;
      }
    }
    setTimeout(refresh, again * 1000);
  }

  function start() {
    reach();
    dialogs();
    tick();
    setInterval(tick, 1000);
    if (document.querySelector("[data-refresh][id]")) setTimeout(refresh, 1000 * (Number(document.querySelector("[data-refresh]").dataset.refresh) || 5));
    // Menus that Alpine moves to the end of the body, and what htmx brings, come later than this.
    new MutationObserver((records) => {
      const elements = records.flatMap((record) => Array.from(record.addedNodes)).filter((node) => node.nodeType === 1);
      elements.forEach((element) => reach(element.parentElement || element));
    }).observe(document.body, { childList: true, subtree: true });
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (openFirst && event.target.id === "command-results") firstHit(document.getElementById("search-input-command").value.trim());
    if (event.target.id === "modal-content" || event.target.id === "dialog-form") {
      reach(event.target);
      dialogs();
    }
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
