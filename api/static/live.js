// Keeps a page fresh: asks for the same address again and puts the new <main> in place.
// Nothing here is needed to read a page.
"use strict";

const pause = 1000 * Number(document.body.dataset.refresh || 5);
let timer = 0;
let took = 0; // milliseconds of the last answer: a page that is dear to make is asked for less often

// Times are written in UTC by the server; show them in the reader's zone, UTC stays in the title.
function localise(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[data-local]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const form = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    if (time.dataset.local === "ms") form.fractionalSecondDigits = 3;
    const clock = at.toLocaleTimeString("en-GB", form);
    const day = at.toLocaleDateString([], { day: "numeric", month: "short" });
    time.textContent = at.toDateString() === today ? clock : `${day} ${clock}`;
  }
}

// Somebody who types, chooses or selects is not to be interrupted.
function busy(main) {
  const active = document.activeElement;
  if (active && main.contains(active) && active.matches("input, select, textarea")) return true;
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed && main.contains(selection.anchorNode));
}

function swap(next) {
  const main = document.getElementById("main");
  const fresh = next.getElementById("main");
  if (!main || !fresh || busy(main)) return;
  for (const open of main.querySelectorAll("details[open][id]")) {
    const again = fresh.querySelector(`#${CSS.escape(open.id)}`);
    if (again) again.open = true;
  }
  const scrolled = [...main.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  const held = document.activeElement;
  const link = held && main.contains(held) && held.matches("a[href]") ? held.getAttribute("href") : null;
  main.replaceChildren(...fresh.childNodes);
  main.querySelectorAll(".scroll").forEach((box, at) => { box.scrollLeft = scrolled[at] || 0; });
  if (link !== null) {
    const again = main.querySelector(`a[href="${CSS.escape(link)}"]`);
    if (again) again.focus({ preventScroll: true });
  }
  for (const live of document.querySelectorAll("[data-live][id]")) {
    const other = next.getElementById(live.id);
    if (other && !live.contains(document.activeElement)) live.replaceChildren(...other.childNodes);
  }
  document.title = next.title;
  prepare();
}

function prepare() {
  localise(document);
  for (const hint of document.querySelectorAll(".live[hidden]")) hint.hidden = false;
}

async function refresh() {
  timer = 0;
  if (document.hidden) return;
  const asked = performance.now();
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (answer.status === 401) return location.reload();
    if (answer.ok) {
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      document.body.classList.remove("stale");
    } else {
      document.body.classList.add("stale");
    }
  } catch {
    document.body.classList.add("stale"); // the service is away; what is shown stays, marked
  }
  took = performance.now() - asked;
  plan();
}

function plan() {
  if (!timer && !document.hidden) timer = setTimeout(refresh, Math.max(pause, 4 * took));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    timer = 0;
  } else {
    refresh();
  }
});

prepare();
plan();
