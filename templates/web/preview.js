"use strict";
// Every answer is the whole page; what is marked data-live is taken over from it, so nothing else moves:
// neither the scroll position of the issue, nor what is being typed, nor where the focus is.
const body = document.body;
const looking = document.getElementById("looking");
const frames = () => [...document.querySelectorAll(".canvas iframe")];
const frame = () => document.querySelector(".canvas iframe:not([data-waiting])");

document.querySelectorAll("[data-fallback]").forEach((button) => (button.hidden = true));

// Taking over what has changed.

function keyOf(element) {
  const field = element?.closest("[data-key], input, select, textarea, summary");
  if (!field) return null;
  if (field.dataset.key) return `[data-key="${field.dataset.key}"]`;
  const details = field.closest("details")?.dataset.key;
  if (!details) return field.id ? "#" + field.id : null;
  return `[data-key="${details}"] ` + (field.name ? `[name="${field.name}"]` : "summary");
}

function dirty(region) {
  const field = document.activeElement;
  return region.contains(field) && field.matches("textarea, input:not([type=checkbox])") && field.value !== field.defaultValue;
}

function takeOver(text, own) {
  const page = new DOMParser().parseFromString(text, "text/html");
  document.title = page.title;
  const focus = keyOf(document.activeElement);
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${region.dataset.live}"]`);
    if (!fresh || (!own && dirty(region))) continue; // somebody types here: their words are not taken away
    if (region.dataset.live === "said" && !own && !fresh.textContent.trim()) continue; // let them read it
    if (region.dataset.live === "canvas") canvas(region, fresh);
    else if (region.innerHTML !== fresh.innerHTML) {
      const open = [...region.querySelectorAll("details[open]")].map((one) => one.dataset.key);
      region.innerHTML = fresh.innerHTML;
      open.forEach((key) => region.querySelector(`details[data-key="${key}"]`)?.setAttribute("open", ""));
    }
  }
  if (focus && !document.querySelector(":focus")) document.querySelector(focus)?.focus();
}

function canvas(region, fresh) {
  const now = frame();
  const next = fresh.querySelector("iframe");
  region.dataset.width = fresh.dataset.width;
  region.classList.toggle("flush", fresh.classList.contains("flush"));
  if (!now || !next) {
    if (region.innerHTML !== fresh.innerHTML) region.innerHTML = fresh.innerHTML;
    if (next) follow(frame());
    return;
  }
  const latest = frames().pop();
  if (latest.getAttribute("src") === next.getAttribute("src") && latest.dataset.digest === next.dataset.digest) return;
  // The new frame is loaded behind the old one and shown where the old one was scrolled to.
  const coming = document.createElement("iframe");
  for (const { name, value } of next.attributes) coming.setAttribute(name, value);
  coming.dataset.waiting = "";
  coming.addEventListener("load", () => {
    if (!("waiting" in coming.dataset) || coming !== frames().pop()) return;
    coming.contentDocument?.scrollingElement?.scrollTo(0, now.contentDocument?.scrollingElement?.scrollTop ?? 0);
    delete coming.dataset.waiting;
    frames().filter((one) => one !== coming).forEach((one) => one.remove());
    listen(coming);
  });
  frames().filter((one) => one !== now).forEach((one) => one.remove());
  region.append(coming);
}

async function ask(address, options) {
  const answer = await fetch(address, options);
  if (answer.status >= 500 || answer.status === 404) throw new Error("The preview could not answer (" + answer.status + ")");
  return answer.text();
}

// One at a time, so that an older answer never comes after a newer one; what happens meanwhile is asked for again.
let asking = false, again = false;
async function refresh() {
  again = true;
  if (asking) return;
  asking = true;
  while (again) {
    again = false;
    try {
      takeOver(await ask(body.dataset.page + location.search), false);
    } catch (error) {
      tell(error);
    }
  }
  asking = false;
}

function tell(error) {
  document.querySelector('[data-live="said"]').innerHTML = '<p class="note" role="alert"></p>';
  document.querySelector('[data-live="said"] p').textContent = error.message;
}

const events = new EventSource(body.dataset.events + "?since=" + body.dataset.changes);
events.addEventListener("changed", refresh);

// Looking at it otherwise.

function look() {
  const query = new URLSearchParams(new FormData(looking));
  if (!query.has("choose")) query.delete("section");
  if (!query.get("reader")) query.delete("reader");
  history.replaceState(null, "", "?" + query);
  return refresh();
}

looking.addEventListener("change", look);
looking.addEventListener("submit", (event) => { event.preventDefault(); look(); });
document.addEventListener("change", (event) => {
  if (event.target.dataset.go) location.assign(event.target.dataset.go + event.target.value + location.search);
});

// Doing something.

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  event.preventDefault();
  const button = event.submitter;
  if (button?.getAttribute("aria-disabled") === "true") return;
  if (button?.dataset.sure && !confirm(button.dataset.sure)) return;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("back", location.search);
  await post(button?.hasAttribute("formaction") ? button.formAction : form.action, fields);
});

async function post(address, fields) {
  try {
    takeOver(await ask(address, { method: "POST", body: fields }), true);
  } catch (error) {
    tell(error);
  }
  refresh();
}

setInterval(() => {
  const note = document.querySelector('[data-live="said"] [role=status]');
  if (note && note.dataset.seen) note.remove();
  else if (note) note.dataset.seen = "yes";
}, 4000);

// Tabs of the desk.

const tabs = [...document.querySelectorAll("[role=tab]")];
function choose(tab, focus) {
  for (const one of tabs) {
    const on = one === tab;
    one.setAttribute("aria-selected", on);
    one.tabIndex = on ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !on;
  }
  if (focus) tab.focus();
}
tabs.forEach((tab, at) => {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(tabs[(to + tabs.length) % tabs.length], true);
  });
});

// Between the issue and the desk.

const flat = (text) => text.replace(/\s+/g, " ").trim();

function inFrame(line) {
  const page = frame()?.contentDocument;
  if (!page) return null;
  const wanted = flat(line.dataset.headline);
  const headlines = [...page.querySelectorAll("h1, h2, h3, h4, a")];
  return headlines.find((one) => wanted && flat(one.textContent) === wanted)
    ?? [...page.querySelectorAll("a")].find((one) => one.getAttribute("href") === line.dataset.url);
}

function showItem(id) {
  const line = document.querySelector(`li[data-item="${id}"]`);
  const place = line && inFrame(line);
  if (!place) return;
  place.scrollIntoView({ block: "center" });
  place.style.outline = "3px solid #b3261e";
  place.style.outlineOffset = "4px";
  setTimeout(() => (place.style.outline = ""), 1500);
}

document.addEventListener("click", (event) => {
  const find = event.target.closest("[data-find]")?.dataset.find;
  if (find && /^\d+$/.test(find)) return showItem(find);
  if (find?.startsWith("view-")) {
    looking.querySelector(`[name="view"][value="${find.slice(5)}"]`)?.click();
    return document.querySelector(".canvas").focus();
  }
  if (find === "subject" || find === "preheader") {
    choose(document.getElementById("tab-issue"));
    document.getElementById(find)?.focus();
  }
});
document.addEventListener("toggle", (event) => {
  const line = event.target.closest?.("li[data-item]");
  if (line && event.target.open) showItem(line.dataset.item);
}, true);

// A double click on a headline or teaser in the issue edits it in place.
function listen(shown) {
  const page = shown.contentDocument;
  if (!page) return;
  page.addEventListener("keydown", keys);
  page.addEventListener("click", (event) => {
    if (event.target.closest("[contenteditable]")) event.preventDefault();
  });
  page.addEventListener("dblclick", (event) => {
    const lines = [...document.querySelectorAll("#stories li[data-item]")];
    for (const line of lines) {
      const form = line.querySelector("form.stack");
      for (const name of form ? ["headline", "teaser"] : []) {
        const words = flat(form.elements[name].value);
        const place = event.target.closest("h1, h2, h3, h4, p, div, span, a, td");
        const spot = [place, place?.querySelector("h2, h3, h4")].find((one) => one && words && flat(one.textContent) === words);
        if (spot) return edit(spot, form, name, event);
      }
    }
  });
}

function edit(spot, form, name, event) {
  event.preventDefault();
  const before = spot.textContent;
  spot.contentEditable = "plaintext-only";
  spot.focus();
  spot.addEventListener("keydown", (key) => {
    if (key.key === "Escape") spot.textContent = before;
    if (key.key === "Escape" || (key.key === "Enter" && !key.shiftKey)) {
      key.preventDefault();
      spot.blur();
    }
    key.stopPropagation();
  });
  spot.addEventListener("blur", () => {
    spot.removeAttribute("contenteditable");
    if (flat(spot.textContent) === flat(before)) return;
    const fields = new URLSearchParams(new FormData(form));
    fields.set(name, flat(spot.textContent));
    fields.set("back", location.search);
    post(form.action, fields);
  }, { once: true });
}

// Keys: Alt+arrows move the story that has the focus; 1 2 3 change the width, d the colours, p the pictures.
function keys(event) {
  const line = event.target.closest?.("li[data-item]");
  if (event.altKey && line && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    const button = line.querySelector(`[data-key="${event.key === "ArrowUp" ? "up" : "down"}-${line.dataset.item}"]`);
    button?.focus();
    button?.click();
    return;
  }
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]")) return;
  const pick = (name, value) => looking.querySelector(`[name="${name}"][value="${value}"]`)?.click();
  if (event.key === "1") pick("width", "phone");
  else if (event.key === "2") pick("width", "tablet");
  else if (event.key === "3") pick("width", "full");
  else if (event.key === "d") pick("scheme", looking.elements.scheme.value === "dark" ? "light" : "dark");
  else if (event.key === "p") looking.elements.pictures.click();
}
document.addEventListener("keydown", keys);

function follow(shown) {
  const loaded = shown.contentDocument;
  if (loaded?.readyState === "complete" && loaded.URL !== "about:blank") listen(shown);
  else shown.addEventListener("load", () => listen(shown), { once: true });
}
if (frame()) follow(frame());
