// The page: an image of a latent code, two of whose numbers are on a pad, and a condition.
import { openModel } from "./model.js";
import { makePicker } from "./picker.js";
import { Pad, REACH } from "./pad.js";
import { showSteps } from "./steps.js";

/** Images on the map behind the pad, along each side. */
const TILES = 9;
/** Milliseconds at the start for finding two latent numbers worth moving. */
const TRYING = 400;

const find = (id) => document.getElementById(id);

start().catch(report);

/** Say what went wrong, on the page. */
function report(error) {
  find("message").textContent = error.message;
}

async function start() {
  const query = new URLSearchParams(location.search);
  const model = await openModel(query.get("model") ?? "model");
  const { plugin, part, data, latent } = model.contract;
  const prior = latent.prior === "learned" ? ", whose prior is another part's: these are codes" : "";
  const size = `${model.latentSize} latent numbers${prior}`;
  find("about").textContent = `${plugin.name} of ${data}: ${part}, ${size}`;
  let seed = query.get("seed") ?? "1";
  if (model.contract.denoiser) return showSteps(model, seed, { find, paint, report });
  let noise = model.code(seed);

  const axes = [find("across"), find("up")];
  axes.forEach((select, index) => {
    for (let axis = 0; axis < model.latentSize; axis++) {
      select.add(new Option(`${latent.input} ${axis + 1}`, axis));
    }
    select.addEventListener("input", () => redraw(true));
  });
  const condition = makePicker(find("condition"), model.contract.condition, () => redraw(true));
  const telling = await mostTelling(model, noise, condition());
  axes.forEach((select, index) => (select.value = telling[index] ?? telling[0]));
  const pad = new Pad(find("pad"), find("thumb"), () => redraw(false));
  find("another").addEventListener("click", () => {
    seed = BigInt(seed) + 1n;
    noise = model.code(seed);
    redraw(true);
  });
  find("another").hidden = model.latentSize <= 2;

  const codeAt = (x, y) => {
    const code = noise.slice();
    const [across, up] = axes.map((select) => Number(select.value));
    code[up] = y;
    code[across] = x;
    return code;
  };

  const image = find("image");
  let drawing = false;
  let wanted = false;
  let version = 0;

  /** Draw the newest state; what was asked for meanwhile is drawn once, not each time. */
  function redraw(map) {
    if (map) version += 1;
    wanted = true;
    return drawing ? null : drawWanted().catch(report);
  }

  async function drawWanted() {
    drawing = true;
    try {
      while (wanted) {
        wanted = false;
        await drawImage(pad.x, pad.y);
      }
    } finally {
      drawing = false;
    }
    if (mapped !== version && !mapping) drawMap().catch(report);
  }

  async function drawImage(x, y) {
    const [drawn] = await model.draw([codeAt(x, y)], condition());
    paint(image, drawn);
    const [across, up] = axes.map((select) => select.selectedOptions[0].text);
    find("place").textContent = `seed ${seed}, ${across} = ${x.toFixed(2)}, ${up} = ${y.toFixed(2)}`;
    find("message").textContent = "";
    const { dataset } = document.documentElement;
    dataset.drawn = Number(dataset.drawn ?? 0) + 1;
  }

  let mapped = 0;
  let mapping = false;

  /** Draw what the whole pad holds, a row at a time, until something else is to be shown. */
  async function drawMap() {
    mapping = true;
    try {
      for (let mine = version, row = 0; row < TILES; row++) {
        const codes = Array.from({ length: TILES }, (_, column) => {
          return codeAt(tileCentre(column), -tileCentre(row));
        });
        const tiles = await model.draw(codes, condition());
        if (mine !== version) [mine, row] = [version, -1];
        else tiles.forEach((tile, column) => paintTile(find("map"), tile, row, column));
        mapped = mine;
        await new Promise((resolve) => setTimeout(resolve)); // the pad goes first
      }
    } finally {
      mapping = false;
    }
    if (mapped !== version) await drawMap(); // it has changed since the last row
  }

  await redraw(true);
  find("stage").hidden = false;
}

/** Return which latent numbers change the image most, of those tried in `TRYING` milliseconds. */
async function mostTelling(model, noise, condition) {
  const changes = [];
  const end = performance.now() + TRYING;
  for (let axis = 0; axis < model.latentSize && (axis < 2 || performance.now() < end); axis++) {
    const codes = [-2, 2].map((value) => noise.with(axis, value));
    const [low, high] = await model.draw(codes, condition);
    const change = low.data.reduce((sum, value, index) => sum + Math.abs(value - high.data[index]), 0);
    changes.push({ axis, change });
  }
  return changes.sort((one, other) => other.change - one.change).map(({ axis }) => axis);
}

function tileCentre(index) {
  return ((2 * index + 1) / TILES - 1) * REACH;
}

function paint(canvas, drawn) {
  if (canvas.width !== drawn.width || canvas.height !== drawn.height) {
    Object.assign(canvas, { width: drawn.width, height: drawn.height });
  }
  canvas.getContext("2d").putImageData(drawn, 0, 0);
}

function paintTile(canvas, tile, row, column) {
  const [width, height] = [TILES * tile.width, TILES * tile.height];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(tile, column * tile.width, row * tile.height);
}
