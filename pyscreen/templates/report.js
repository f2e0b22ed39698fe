"use strict";
const one = (query, under = document) => under.querySelector(query);
const all = (query, under = document) => [...under.querySelectorAll(query)];

// ---- opening and finding ----

function reveal(node) {
  for (let up = node; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
}

function follow() {
  const node = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!node) return;
  reveal(one("details", node) || node);
  reveal(node);
  node.scrollIntoView({ block: "start" });
}
addEventListener("hashchange", follow);
follow();

for (const [id, open] of [["open-all", true], ["close-all", false]])
  one(`#${id}`).addEventListener("click", () => all(".entry details").forEach((part) => { part.open = open; }));

const own = (entry) => {
  const kept = entry.cloneNode(true);
  all(".outline", kept).forEach((part) => part.remove());
  return kept.textContent.toLowerCase();
};
const entries = all(".entry").map((node) => ({ node, text: own(node) }));

function find() {
  const asked = one("#find").value.trim().toLowerCase();
  document.body.classList.toggle("searching", asked !== "");
  all(".hit, .above").forEach((node) => node.classList.remove("hit", "above"));
  if (!asked) { one("#hits").textContent = ""; return; }
  const found = entries.filter(({ text }) => text.includes(asked));
  for (const { node } of found) {
    node.classList.add("hit");
    for (let up = node.parentElement; up; up = up.parentElement) {
      if (up.matches(".entry, .cohort")) up.classList.add("above");
      if (up.tagName === "DETAILS") up.open = true;
    }
    const part = one("details", node);
    if (part) part.open = true;
  }
  one("#hits").textContent = found.length === 1 ? "1 line found" : `${found.length} lines found`;
}
one("#find").addEventListener("input", find);

// ---- pictures: move, zoom, trace ----

const READABLE = 1.15;  // pixels to a point

function picture(canvas) {
  const svg = one("svg", canvas);
  const whole = svg.getAttribute("viewBox").split(/[ ,]+/).map(Number);
  let box = [...whole];
  const show = () => svg.setAttribute("viewBox", box.join(" "));
  const scale = () => Math.max(box[2] / svg.clientWidth, box[3] / svg.clientHeight) || 1;
  const move = (x, y) => { box[0] -= x * scale(); box[1] -= y * scale(); show(); };
  const zoom = (by, x = 0.5, y = 0.5) => {
    const factor = Math.min(Math.max(by, 20 / box[2]), (4 * whole[2]) / box[2]);
    box = [box[0] + box[2] * x * (1 - factor), box[1] + box[3] * y * (1 - factor), box[2] * factor, box[3] * factor];
    show();
  };
  const fit = () => { box = [...whole]; show(); };
  const start = () => {  // large enough to read, from the verdict on
    const wide = svg.clientWidth, high = Math.min(0.75 * innerHeight, whole[3] * READABLE);
    svg.style.height = `${Math.max(high, 160)}px`;
    box = [whole[0], whole[1], wide / READABLE, svg.clientHeight / READABLE];
    const root = one(".node", svg).getBBox(), down = one("g", svg).transform.baseVal.consolidate().matrix.f;
    box[1] = Math.min(Math.max(root.y + root.height / 2 + down - box[3] / 2, 0), Math.max(whole[3] - box[3], 0));
    show();
  };

  const keys = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  canvas.addEventListener("keydown", (event) => {
    if (keys[event.key]) move(...keys[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(0.8);
    else if (event.key === "-") zoom(1.25);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    const at = svg.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.15 : 0.87, (event.clientX - at.left) / at.width, (event.clientY - at.top) / at.height);
  }, { passive: false });

  let held = null;
  canvas.addEventListener("pointerdown", (event) => { if (event.button === 0) held = { x: event.clientX, y: event.clientY, far: false }; });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [x, y] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.far && Math.hypot(x, y) < 5) return;
    if (!held.far) canvas.setPointerCapture(event.pointerId);
    held = { x: event.clientX, y: event.clientY, far: true };
    canvas.classList.add("moving");
    move(x, y);
  });
  let dragged = false;
  const drop = () => { dragged = Boolean(held && held.far); held = null; canvas.classList.remove("moving"); };
  canvas.addEventListener("pointerup", drop);
  canvas.addEventListener("pointercancel", drop);
  canvas.addEventListener("click", (event) => { if (dragged) event.preventDefault(); dragged = false; }, true);
  canvas.addEventListener("dragstart", (event) => event.preventDefault());

  // The way from the verdict to the box that is pointed at, and all that hangs on it.
  const boxes = all(".node", svg), lines = all(".edge", svg);
  const trace = (name) => {
    svg.classList.toggle("tracing", Boolean(name));
    all(".traced", svg).forEach((part) => part.classList.remove("traced"));
    if (!name) return;
    const kept = new Set([name]);
    for (const [from, to] of [["to", "from"], ["from", "to"]]) {
      const queue = [name];
      while (queue.length) {
        const at = queue.pop();
        for (const line of lines)
          if (line.dataset[from] === at && !kept.has(line)) { kept.add(line); kept.add(line.dataset[to]); queue.push(line.dataset[to]); }
      }
    }
    lines.filter((line) => kept.has(line)).forEach((line) => line.classList.add("traced"));
    boxes.filter((box) => kept.has(box.dataset.box)).forEach((box) => box.classList.add("traced"));
  };
  for (const box of boxes) {
    box.addEventListener("pointerenter", () => trace(box.dataset.box));
    box.addEventListener("pointerleave", () => trace(null));
    box.addEventListener("focusin", () => trace(box.dataset.box));
    box.addEventListener("focusout", () => trace(null));
  }
  return { in: () => zoom(0.8), out: () => zoom(1.25), fit, start };
}

for (const part of all("details.graph")) {
  let drawn = null;
  part.addEventListener("toggle", () => {
    if (!part.open || drawn) return;
    drawn = picture(one(".canvas", part));
    drawn.start();
    all("[data-zoom]", part).forEach((button) => button.addEventListener("click", () => drawn[button.dataset.zoom]()));
  });
}

// ---- the checklist ----

const which = one("#which");
const choose = () => all(".sheet").forEach((sheet) => sheet.classList.toggle("chosen", sheet.dataset.cohort === which.value));
which.addEventListener("change", choose);
choose();
one("#print").addEventListener("click", () => print());
