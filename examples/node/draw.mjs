// Draw images from a file that `gtk export` wrote, with onnxruntime-web alone.
//
//   node draw.mjs digits.onnx --label 3,8 --count 16 --seed 7 --out images.png
//
//   node draw.mjs denoiser.onnx --label 3,8 --sampler heun --steps 18 --guidance 2
//
// A seed draws the images that it does in gtk. digits.json, which gtk export writes beside digits.onnx,
// has to be there, too: onnxruntime-web does not show what a file says about itself.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { deflateSync } from "node:zlib";
import * as ort from "onnxruntime-web/wasm";
import { drawNoise } from "../web/seed.js";
import { plan, states, stepPorts } from "../web/solvers.js";

ort.env.wasm.numThreads = 1; // small models are faster with one

class Mistake extends Error {}

/** Return a session and the contract: what the file beside it says about it. */
async function openFile(path) {
  if (!path.endsWith(".onnx")) throw new Mistake(`${path}: give a file that ends in .onnx`);
  const bytes = await readFile(path);
  const beside = path.replace(/\.onnx$/, ".json");
  const text = await readFile(beside, "utf8").catch(() => {
    throw new Mistake(`${beside}, which gtk export writes beside ${path}, is missing: copy both`);
  });
  const contract = JSON.parse(text);
  if (createHash("sha256").update(bytes).digest("hex") !== contract.file?.sha256) {
    throw new Mistake(`${beside} does not describe this ${path}: export both again`);
  }
  if (contract.schema !== 2) throw new Mistake(`${path} has another schema than 2`);
  const { inputs, outputs, latent } = contract;
  const draws = latent && !inputs.some((port) => ["image", "codes"].includes(port.kind));
  if (!contract.denoiser && (!draws || outputs[0].kind !== "image")) {
    const part = `${path} is the ${contract.part} of a model`;
    throw new Mistake(`${part}: it does not make images from noise`);
  }
  return { contract, session: await ort.InferenceSession.create(bytes) };
}

/**
 * Return the index of a class that is given by its name, or by a number: an index, except where all
 * names are whole numbers that differ. Then it is one of these, however it is written.
 */
function classIndex(label, names) {
  if (names.includes(label)) return names.indexOf(label);
  const whole = /^-?\d{1,1000}$/;
  const unknown = () => new Mistake(`unknown label '${label}'. Known: ${names.join(", ")}`);
  if (!whole.test(label)) throw unknown();
  const number = BigInt(label);
  const numbers = names.filter((name) => whole.test(name)).map(BigInt);
  const counted = numbers.every((value, index) => value === BigInt(index)); // then both are the same
  if (new Set(numbers).size === names.length && !counted) {
    if (!numbers.includes(number)) throw unknown();
    return numbers.indexOf(number);
  }
  if (number < 0 || number >= names.length) {
    throw new Mistake(`label ${label} is out of range: there are 0..${names.length - 1}`);
  }
  return Number(number);
}

/** Return a condition for each image, as an array of rows of numbers; null where there is none. */
function conditions(contract, labels, settings, count) {
  const { condition } = contract;
  const classes = condition?.kind === "classes";
  if (labels.length && !classes) throw new Mistake("--label is for models of classes");
  if (settings.length && (!condition || classes)) {
    throw new Mistake("--condition is for models of attributes or numbers");
  }
  if (!condition) return null;
  const { names, ranges } = condition;
  const images = Array.from({ length: count }, (_, image) => image);
  if (classes) {
    const chosen = labels.length
      ? labels.map((label) => classIndex(label, names))
      : [...names.keys()];
    return images.map((image) => [chosen[image % chosen.length]]);
  }
  // What is not said is an attribute that is not there, or the middle of a number's range.
  const share = condition.kind === "attributes" ? 0 : 0.5;
  const row = ranges.map(([low, high]) => low + (high - low) * share);
  for (const text of settings) {
    const [name, value] = text.split(/=(.*)/s);
    const at = names.indexOf(name);
    if (at < 0) throw new Mistake(`unknown condition '${name}'. Known: ${names.join(", ")}`);
    const [low, high] = ranges[at];
    row[at] = value?.trim() ? Number(value) : NaN;
    if (!(row[at] >= low && row[at] <= high)) {
      throw new Mistake(`${name} is a number in ${low}..${high}, not '${value ?? ""}'`);
    }
  }
  return images.map(() => row);
}

/** Return `total` images one after the other, each H x W x C in 8 bits. */
async function draw(session, contract, noise, condition, total) {
  const { batch_size: fixed, image } = contract;
  const step = fixed || 256;
  const images = [];
  for (let start = 0; start < total; start += step) {
    const count = Math.min(step, total - start);
    // A file of a fixed batch size is given the last row again until there are enough.
    const rows = Array.from({ length: fixed || count }, (_, at) => start + Math.min(at, count - 1));
    const inputs = {};
    for (const { name, kind } of contract.inputs) {
      const own = kind === "condition" ? condition : rowsOf(noise[name], total);
      inputs[name] = rows.map((row) => own[row]);
    }
    const data = await run(session, contract, inputs);
    const size = data.length / rows.length;
    for (let at = 0; at < count; at++) {
      images.push(pixels(data.subarray(at * size, (at + 1) * size), image));
    }
  }
  return images;
}

/** Return the values of each of `total` images. */
function rowsOf(values, total) {
  const size = values.length / total;
  return Array.from({ length: total }, (_, at) => values.subarray(at * size, (at + 1) * size));
}

/** Return what the graph gives for these inputs by name, each an array of rows of numbers. */
async function run(session, contract, inputs) {
  const feeds = {};
  for (const { name, dtype, shape } of contract.inputs) {
    const [rows, size, integers] = [inputs[name], sizeOf(shape), dtype === "int64"];
    const data = new (integers ? BigInt64Array : Float32Array)(rows.length * size);
    rows.forEach((row, at) => data.set(integers ? row.map(BigInt) : row, at * size));
    feeds[name] = new ort.Tensor(dtype, data, [rows.length, ...shape]);
  }
  return (await session.run(feeds))[contract.outputs[0].name].data;
}

/** Draw from a denoiser, as `draw` does from other files. */
async function denoise(session, contract, noise, condition, total, chosen) {
  const { batch_size: fixed, image, latent, condition: described } = contract;
  const time = contract.inputs.find((port) => port.kind === "time").name;
  const step = fixed || 256;
  const size = sizeOf(latent.shape);
  const first = rowsOf(noise[latent.input], total);
  const further = noise.steps && rowsOf(noise.steps, total);
  const images = [];
  for (let start = 0; start < total; start += step) {
    const count = Math.min(step, total - start);
    const rows = Array.from({ length: fixed || count }, (_, at) => start + Math.min(at, count - 1));
    const own = described && rows.map((row) => condition[row]);
    const absent = described && own.map((row) => row.map(() => Number(described.absent)));
    const evaluate = async (x, now, guided) => {
      const inputs = { [time]: rows.map(() => [now]) };
      inputs[latent.input] = rows.map((_, at) => x.subarray(at * size, (at + 1) * size));
      const found = [];
      for (const given of guided ? [own, absent] : [own]) {
        if (described) inputs[described.input] = given;
        found.push(await run(session, contract, inputs));
      }
      return guided ? found : found[0];
    };
    const drawn = further && rows.map((row) => further[row]);
    let last = Float32Array.from(rows.flatMap((row) => [...first[row]]));
    for await (const x of states(evaluate, contract.denoiser.path, last, chosen, drawn)) last = x;
    last = last.map((value) => value / 2 + 0.5);
    for (let at = 0; at < count; at++) {
      images.push(pixels(last.subarray(at * size, (at + 1) * size), image));
    }
  }
  return images;
}

/** Return an image as the graph gives it as H x W x C in 8 bits. */
function pixels(values, { channels, height, width, layout, dtype }) {
  const found = new Uint8Array(values.length);
  for (let place = 0; place < height * width; place++) {
    for (let channel = 0; channel < channels; channel++) {
      const at = layout === "NCHW" ? channel * height * width + place : place * channels + channel;
      const value = dtype === "uint8" ? values[at] : Math.min(Math.max(values[at], 0), 1) * 255;
      found[place * channels + channel] = Math.round(value);
    }
  }
  return found;
}

/** Return images in rows as the bytes of a PNG file; what is left over is black. */
function png(images, columns, { channels, height, width }) {
  if (channels !== 1 && channels !== 3) {
    throw new Mistake(`a PNG has 1 or 3 channels, these images have ${channels}`);
  }
  const rows = Math.ceil(images.length / columns);
  const line = 1 + columns * width * channels; // a 0 first: unfiltered
  const picture = Buffer.alloc(rows * height * line);
  images.forEach((image, at) => {
    const left = 1 + (at % columns) * width * channels;
    const top = Math.floor(at / columns) * height;
    for (let y = 0; y < height; y++) {
      const row = image.subarray(y * width * channels, (y + 1) * width * channels);
      picture.set(row, (top + y) * line + left);
    }
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(columns * width, 0);
  header.writeUInt32BE(rows * height, 4);
  header.set([8, channels === 1 ? 0 : 2], 8);
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  const data = deflateSync(picture, { level: 9 });
  const parts = [chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(checksum(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** Return the CRC-32 that a PNG wants; node:zlib has one from 22.2 on. */
function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}

/** Read noise from a JSON file: [[...], ...], a row for each image. */
async function readNoise(path, size) {
  const found = JSON.parse(await readFile(path, "utf8"));
  const rows = Array.isArray(found) ? found.map((row) => [row].flat(Infinity)) : [];
  if (!rows.length || rows.some((row) => row.length !== size || !row.every(Number.isFinite))) {
    throw new Mistake(`${path} should hold rows of ${size} numbers`);
  }
  return Float32Array.from(rows.flat());
}

function sizeOf(shape) {
  return shape.reduce((product, side) => product * side, 1);
}

function wholeNumber(name, text, least) {
  if (!/^\d+$/.test(text) || BigInt(text) < least) {
    throw new Mistake(`--${name} is a whole number of at least ${least}, not '${text}'`);
  }
  return BigInt(text);
}

/** Options of a denoiser's draw that are numbers. */
const NUMBERS = ["steps", "guidance", "guidance_from", "guidance_until"];

/** Return how to draw from a denoiser, null for any other part. */
function drawing(contract, values) {
  const given = {};
  for (const name of ["sampler", "grid", ...NUMBERS]) {
    const text = values[name.replace("_", "-")];
    if (text === undefined) continue;
    if (!contract.denoiser) {
      throw new Mistake(`--${name} is for denoisers, and this is the ${contract.part} of a model`);
    }
    given[name] = NUMBERS.includes(name) ? Number(text.trim() || NaN) : text;
  }
  return contract.denoiser ? plan(contract, given) : null;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      label: { type: "string", default: "" },
      condition: { type: "string", multiple: true, default: [] },
      count: { type: "string", default: "16" },
      seed: { type: "string", default: "0" },
      noise: { type: "string" }, // a JSON file with rows of it, in the place of count and seed
      out: { type: "string", default: "images.png" },
      sampler: { type: "string" }, // these are of denoisers alone
      grid: { type: "string" },
      ...Object.fromEntries(NUMBERS.map((name) => [name.replace("_", "-"), { type: "string" }])),
    },
  });
  if (positionals.length !== 1) {
    throw new Mistake("node draw.mjs FILE.onnx [--label 3,8] [--count 16] [--seed 7] [--out F.png]");
  }
  const { session, contract } = await openFile(positionals[0]);
  const { inputs, latent, image } = contract;
  const size = sizeOf(latent.shape);
  const given = values.noise === undefined ? null : await readNoise(values.noise, size);
  if (!given && latent.prior !== "normal") {
    throw new Mistake("this decoder's prior was learned: export --part sampler");
  }
  const count = given ? given.length / size : Number(wholeNumber("count", values.count, 1));
  const chosen = drawing(contract, values);
  const ports = [...inputs, ...(chosen ? stepPorts(contract, chosen) : [])];
  const noise = drawNoise(ports, wholeNumber("seed", values.seed, 0), count);
  if (given) noise[latent.input] = given;
  const whole = contract.condition?.names.includes(values.label); // a name may have commas
  const parts = whole ? [values.label] : values.label.split(",");
  const labels = parts.map((label) => label.trim()).filter(Boolean);
  const condition = conditions(contract, labels, values.condition, count);
  const images = chosen
    ? await denoise(session, contract, noise, condition, count, chosen)
    : await draw(session, contract, noise, condition, count);
  const columns = labels.length > 1 ? labels.length : Math.ceil(Math.sqrt(images.length));
  await writeFile(values.out, png(images, columns, image));
  console.log(`${values.out}: ${images.length} images`);
}

try {
  await main();
} catch (error) {
  console.error(error.message.split("\n")[0]);
  process.exitCode = 1;
}
