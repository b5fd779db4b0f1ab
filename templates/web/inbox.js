"use strict";
// The list follows what arrives; what is being read stays where it is. j and k go through the mails.
const mails = document.getElementById("mails");
const said = document.getElementById("said");

async function refresh() {
  const known = new Set([...mails.querySelectorAll("li")].map((line) => line.dataset.id));
  const focused = document.activeElement?.closest("li")?.dataset.id;
  const answer = await fetch("/list" + location.pathname.replace(/^\/mail/, "") + location.search);
  if (!answer.ok) return;
  mails.innerHTML = await answer.text();
  const lines = [...mails.querySelectorAll("li")];
  const fresh = lines.filter((line) => !known.has(line.dataset.id));
  fresh.forEach((line) => line.classList.add("new"));
  lines.find((line) => line.dataset.id === focused)?.querySelector("a")?.focus();
  document.querySelector("form button").disabled = !lines.length;
  if (fresh.length) said.textContent = fresh.length === 1 ? "A mail has arrived" : fresh.length + " mails have arrived";
}

new EventSource("/events?since=" + document.body.dataset.version).addEventListener("changed", refresh);

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { j: 1, k: -1 }[event.key];
  if (!step) return;
  const links = [...mails.querySelectorAll("a")];
  const at = links.findIndex((link) => link.getAttribute("aria-current"));
  links[Math.max(0, Math.min(links.length - 1, at + step))]?.click();
});
