
"use strict";

// What is wider than its box fades out on the side to which it scrolls on.
for (const box of document.querySelectorAll(".wide, pre")) {
  const mark = () => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  box.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(box);
}

// Curves: the report nearest to the pointer, or to where the arrow keys went.
for (const svg of document.querySelectorAll(".chart svg")) {
  const { last, left, right } = svg.dataset;
  const cursor = svg.querySelector(".cursor");
  const readout = svg.parentElement.querySelector(".readout");
  const curves = [...svg.querySelectorAll("[data-points]")].map((line) => ({
    name: line.dataset.name,
    points: line.dataset.points.split(" ").map((point) => point.split(",").map(Number)),
  }));
  const steps = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))];
  steps.sort((one, other) => one - other);
  const nearest = (points, step) =>
    points.reduce((best, item) => (Math.abs(item[0] - step) < Math.abs(best[0] - step) ? item : best));
  let at = steps.length;
  const show = (index) => {
    at = Math.max(0, Math.min(steps.length - 1, index));
    const step = steps[at];
    const x = Number(left) + (step / last) * (right - left);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    const values = curves.map((curve) => {
      const [where, value] = nearest(curve.points, step);
      const text = Number(value.toPrecision(5)).toLocaleString("en");
      return `${curve.name} ${text}${where === step ? "" : ` (step ${where})`}`;
    });
    readout.textContent = `step ${step}: ${values.join(", ")}`;
  };
  const hide = () => {
    cursor.setAttribute("visibility", "hidden");
    readout.textContent = "";
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const wanted = ((x - left) / (right - left)) * last;
    show(steps.indexOf(nearest(steps.map((step) => [step]), wanted)[0]));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const target = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    show(target);
  });
}

// Pictures by epoch: one slider moves all of them, each to its epoch nearest below.
const series = [...document.querySelectorAll(".frames")].map((box) => ({
  input: box.querySelector("input"),
  output: box.querySelector("output"),
  frames: [...box.querySelectorAll("img[data-epoch]")],
}));
const turn = ({ input, output, frames }, index) => {
  frames.forEach((frame, at) => { frame.hidden = at !== index; });
  if (!input) return;
  const epoch = frames[index].dataset.epoch;
  input.value = index;
  input.setAttribute("aria-valuetext", `epoch ${epoch}`);
  output.textContent = `epoch ${epoch}`;
};
for (const one of series) {
  if (!one.input) continue;
  one.input.closest(".slider").hidden = false;
  turn(one, one.frames.length - 1);
  one.input.addEventListener("input", () => {
    const epoch = Number(one.frames[one.input.value].dataset.epoch);
    for (const other of series) {
      const index = other.frames.findLastIndex((frame) => Number(frame.dataset.epoch) <= epoch);
      turn(other, Math.max(0, index));
    }
  });
}

// Latent space: the image of the point under the pointer, or of the one the arrow keys went to.
for (const map of document.querySelectorAll(".map")) {
  const svg = map.querySelector("svg");
  const peek = map.querySelector(".peek");
  const thumb = map.querySelector(".thumb");
  const output = peek.querySelector("output");
  const points = [...svg.querySelectorAll("circle")];
  const names = points.map((point) => {
    const title = point.querySelector("title");
    title.remove(); // or the browser would show it over the image
    return title.textContent;
  });
  const place = (point) => [Number(point.getAttribute("cx")), Number(point.getAttribute("cy"))];
  const places = points.map(place);
  const order = [0, 1].map((axis) => {
    const rows = points.map((_, at) => at);
    return rows.sort((one, other) => places[one][axis] - places[other][axis] || one - other);
  });
  let chosen = -1;
  const kept = (at) => !map.classList.contains("filtered") || points[at].classList.contains("kept");
  const choose = (at) => {
    if (chosen >= 0) points[chosen].classList.remove("chosen");
    chosen = at;
    peek.hidden = at < 0;
    if (at < 0) return;
    points[at].classList.add("chosen");
    const { columns, width, height } = thumb.dataset;
    thumb.style.backgroundPosition = `${-(at % columns) * width}px ${-Math.floor(at / columns) * height}px`;
    thumb.setAttribute("aria-label", names[at]);
    output.textContent = names[at];
    const around = map.getBoundingClientRect();
    const dot = points[at].getBoundingClientRect();
    const x = dot.left - around.left + dot.width / 2;
    const y = dot.top - around.top + dot.height / 2;
    const beside = x + 16 + peek.offsetWidth < around.width ? x + 16 : x - 16 - peek.offsetWidth;
    peek.style.left = `${Math.max(4, Math.min(around.width - peek.offsetWidth - 4, beside))}px`;
    peek.style.top = `${Math.max(4, Math.min(around.height - peek.offsetHeight - 4, y - peek.offsetHeight / 2))}px`;
  };
  svg.addEventListener("pointermove", (event) => follow(event));
  svg.addEventListener("pointerdown", (event) => follow(event));
  function follow(event) {
    const box = svg.getBoundingClientRect();
    const zoom = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * zoom;
    const y = (event.clientY - box.top) * zoom;
    let best = -1;
    let least = (18 * zoom) ** 2; // a finger is not as precise as a pointer
    places.forEach(([cx, cy], at) => {
      const far = (cx - x) ** 2 + (cy - y) ** 2;
      if (far < least && kept(at)) [best, least] = [at, far];
    });
    choose(best);
  }
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") choose(-1); });
  svg.addEventListener("blur", () => choose(-1));
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] };
    if (event.key === "Escape") choose(-1);
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [axis, way] = moves[event.key];
    const rows = order[axis].filter(kept);
    const at = rows.indexOf(chosen);
    const start = way > 0 ? 0 : rows.length - 1;
    choose(at < 0 ? rows[start] : rows[Math.max(0, Math.min(rows.length - 1, at + way))]);
  });
  // The names of the classes pick them out.
  const buttons = [...map.parentElement.querySelectorAll("button.pick")];
  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      const wanted = new Set(
        buttons.filter((item) => item.getAttribute("aria-pressed") === "true").map((item) => item.dataset.label),
      );
      map.classList.toggle("filtered", wanted.size > 0);
      for (const point of points) point.classList.toggle("kept", wanted.has(point.dataset.label));
      choose(-1);
    });
  }
}

// Tables of runs: a figure's name puts the columns in its order, best first, and back.
const orders = [...document.querySelectorAll("button[data-order]")];
const rows = orders.length ? [...document.querySelectorAll("tr")] : [];
const columns = rows.map((row) => [...row.cells].slice(1));
for (const button of orders) {
  button.disabled = false;
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const other of orders) other.setAttribute("aria-pressed", on && other === button);
    const order = on ? button.dataset.order.split(" ") : columns[0].keys();
    for (const place of order) rows.forEach((row, at) => row.append(columns[at][place]));
  });
}
