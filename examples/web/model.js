// An exported file in the browser: what its contract says, and images of latent codes.
import * as ort from "./onnxruntime/ort.wasm.bundle.min.mjs";
import { drawNoise } from "./seed.js";
import { states, stepPorts } from "./solvers.js";

ort.env.wasm.numThreads = 1; // more would need headers that a plain file server does not send
ort.env.wasm.wasmPaths = {
  wasm: new URL("./onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url).href,
};

const SCHEMA = 2;

/** Open NAME.onnx as NAME.json beside it describes it; throws an Error that says what to do. */
export async function openModel(name) {
  const contract = await readContract(name);
  const bytes = await (await fetched(`${name}.onnx`)).arrayBuffer();
  await checkSum(bytes, contract, name);
  return new Model(contract, await ort.InferenceSession.create(bytes));
}

async function readContract(name) {
  let contract;
  try {
    contract = await (await fetched(`${name}.json`)).json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new Error(`${name}.json is not JSON: export again.`);
    throw error;
  }
  if (contract?.schema !== SCHEMA || !contract.file) {
    throw new Error(`${name}.json is not what gtk export writes beside a file: export again.`);
  }
  const outputs = contract.outputs.map((output) => output.kind);
  const inputs = contract.inputs.map((input) => input.kind);
  const draws = contract.latent && !inputs.includes("image") && !inputs.includes("codes");
  if (!contract.denoiser && (!draws || outputs.join() !== "image")) {
    throw new Error(
      `${name}.onnx holds the ${contract.part}, which does not make images from noise: ` +
        "export a sampler, a denoiser, a generator or a decoder that does.",
    );
  }
  if (![1, 3].includes(contract.image.channels)) {
    throw new Error(`${name}.onnx makes images of ${contract.image.channels} channels, not 1 or 3.`);
  }
  return contract;
}

async function fetched(file) {
  const response = await fetch(encodeURIComponent(file));
  if (!response.ok) throw new Error(`${file} is not beside this page (${response.status}).`);
  return response;
}

/** The page would draw nonsense if it took one file's description for another file. */
async function checkSum(bytes, contract, name) {
  if (!crypto.subtle) return; // only there on https and localhost
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== contract.file.sha256) {
    throw new Error(`${name}.json does not describe this ${name}.onnx: export both again.`);
  }
}

class Model {
  #session;
  #queue = Promise.resolve();
  #others = {};

  constructor(contract, session) {
    this.contract = contract;
    this.latentSize = contract.latent.shape.reduce((product, size) => product * size, 1);
    this.#session = session;
  }

  /** Return the latent code of a seed; other noise that the file takes is now this seed's. */
  code(seed) {
    const { [this.contract.latent.input]: code, ...others } = drawNoise(this.contract.inputs, seed, 1);
    this.#others = others;
    return code;
  }

  /** Return an ImageData for each latent code (Float32Array), all under one condition. */
  draw(codes, condition) {
    // A session runs one thing at a time.
    const result = this.#queue.then(() => this.#run(codes, condition));
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Yield an ImageData of a seed's noise and after each step of a denoiser, as `plan` says. */
  async *steps(seed, condition, chosen) {
    const { inputs, latent, denoiser } = this.contract;
    const noise = drawNoise([...inputs, ...stepPorts(this.contract, chosen)], seed, 1);
    const evaluate = (x, time, guided) => this.#evaluate(x, time, guided, condition);
    for await (const x of states(evaluate, denoiser.path, noise[latent.input], chosen, [noise.steps])) {
      yield this.#pixels(x.map((value) => value / 2 + 0.5), 0);
    }
  }

  /** Return a denoiser's velocity; where guided that, and the one without a condition. */
  async #evaluate(x, time, guided, condition) {
    const { batch_size: fixed, inputs, outputs, condition: described } = this.contract;
    const none = described?.kind === "classes" ? described.absent : Array(described?.count).fill(NaN);
    const rows = fixed ?? 1;
    const found = [];
    for (const given of guided ? [condition, none] : [condition]) {
      const feeds = this.#feeds([x], given, rows);
      const { name } = inputs.find((port) => port.kind === "time");
      feeds[name] = new ort.Tensor("float32", new Float32Array(rows).fill(time), [rows]);
      const { data } = (await this.#session.run(feeds))[outputs[0].name];
      found.push(data.subarray(0, x.length));
    }
    return guided ? found : found[0];
  }

  async #run(codes, condition) {
    const rows = this.contract.batch_size ?? codes.length;
    const images = [];
    for (let first = 0; first < codes.length; first += rows) {
      const wanted = codes.slice(first, first + rows);
      const feeds = this.#feeds(wanted, condition, rows);
      const { image } = await this.#session.run(feeds);
      wanted.forEach((_, row) => images.push(this.#pixels(image.data, row)));
    }
    return images;
  }

  #feeds(codes, condition, rows) {
    const { latent, condition: described } = this.contract;
    const values = new Float32Array(rows * this.latentSize); // rows that are not wanted stay 0
    codes.forEach((code, row) => values.set(code, row * this.latentSize));
    const feeds = { [latent.input]: new ort.Tensor("float32", values, [rows, ...latent.shape]) };
    for (const { name, shape } of this.contract.inputs.filter((port) => port.name in this.#others)) {
      const own = this.#others[name];
      const repeated = new Float32Array(rows * own.length);
      for (let row = 0; row < rows; row++) repeated.set(own, row * own.length);
      feeds[name] = new ort.Tensor("float32", repeated, [rows, ...shape]);
    }
    if (described?.kind === "classes") {
      const labels = new BigInt64Array(rows).fill(BigInt(condition));
      feeds[described.input] = new ort.Tensor("int64", labels, [rows]);
    } else if (described) {
      const numbers = Float32Array.from({ length: rows * described.count }, (_, index) => {
        return condition[index % described.count];
      });
      feeds[described.input] = new ort.Tensor("float32", numbers, [rows, described.count]);
    }
    return feeds;
  }

  #pixels(data, row) {
    const { channels, height, width, layout, dtype } = this.contract.image;
    const area = width * height;
    const start = row * channels * area;
    const [pixelStep, channelStep] = layout === "NHWC" ? [channels, 1] : [1, area];
    const scale = dtype === "uint8" ? 1 : 255; // Uint8ClampedArray rounds and clips
    const rgba = new Uint8ClampedArray(4 * area);
    for (let pixel = 0; pixel < area; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const from = channels === 1 ? 0 : channel * channelStep;
        rgba[4 * pixel + channel] = scale * data[start + pixel * pixelStep + from];
      }
      rgba[4 * pixel + 3] = 255;
    }
    return new ImageData(rgba, width, height);
  }
}
