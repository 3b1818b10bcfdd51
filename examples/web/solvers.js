// Draws from a denoiser, one evaluation of a flow: steps of a solver from noise, at time 0, to an image,
// at time 1, as gtk takes them (gtk/core/values has the same in Python, with the papers).

const { atan, cos, exp, expm1, floor, fround, log, log1p, max, PI, sin, sqrt } = Math;

const [A, B, END] = [0.1, 20, 1e-3]; // of the variance-preserving path: rates of noise, and the last s
const past = (t) => END + (1 - END) * (1 - t);
const logAlpha = (t) => -past(t) * ((past(t) * (B - A)) / 4 + A / 2);

/** At time t, x = alpha image + sigma noise; rates are derivatives, timeOf the time of sigma/alpha. */
export const PATHS = {
  straight: {
    alpha: (t) => t,
    sigma: (t) => 1 - t,
    alphaRate: () => 1,
    sigmaRate: () => -1,
    timeOf: (ratio) => 1 / (1 + ratio),
  },
  cosine: {
    alpha: (t) => sin((t * PI) / 2),
    sigma: (t) => sin(((1 - t) * PI) / 2),
    alphaRate: (t) => (sin(((1 - t) * PI) / 2) * PI) / 2,
    sigmaRate: (t) => (-sin((t * PI) / 2) * PI) / 2,
    timeOf: (ratio) => 1 - (atan(ratio) * 2) / PI,
  },
  "variance-preserving": {
    alpha: (t) => exp(logAlpha(t)),
    sigma: (t) => sqrt(-expm1(2 * logAlpha(t))),
    alphaRate: (t) => (exp(logAlpha(t)) * (A + past(t) * (B - A)) * (1 - END)) / 2,
    sigmaRate(t) {
      return (-this.alpha(t) * this.alphaRate(t)) / this.sigma(t);
    },
    timeOf(ratio) {
      const twice = log1p(ratio * ratio);
      const root = sqrt((A * A) / 4 + ((B - A) * twice) / 2);
      return 1 - (twice / (A / 2 + root) - END) / (1 - END);
    },
  },
};

/** Functions of a number of steps and a path, which return the times of the steps' ends. */
export const GRIDS = {
  uniform: (steps) => Array.from({ length: steps + 1 }, (_, at) => at / steps),
  cosine: (steps) => Array.from({ length: steps + 1 }, (_, at) => (1 - cos((PI * at) / steps)) / 2),
  rho(steps, path) {
    const final = path.sigma(1) / path.alpha(1);
    const points = final > 0.002 ? steps + 1 : steps;
    const [first, last] = [80 ** (1 / 7), max(final, 0.002) ** (1 / 7)];
    const times = Array(steps + 1).fill(1);
    for (let at = 0; at < points; at++) {
      times[at] = path.timeOf((first + ((last - first) * at) / max(points - 1, 1)) ** 7);
    }
    [times[0], times[steps]] = [0, 1];
    return times;
  },
};

const euler = async (velocity, path, x, t, s) => {
  const rate = await velocity(x, t);
  return { x: x.map((value, at) => value + (s - t) * rate[at]) };
};

const heun = async (velocity, path, x, t, s) => {
  const first = await velocity(x, t);
  const second = await velocity(x.map((value, at) => value + (s - t) * first[at]), s);
  return { x: x.map((value, at) => value + ((s - t) * (first[at] + second[at])) / 2) };
};

const midpoint = async (velocity, path, x, t, s) => {
  const first = await velocity(x, t);
  const middle = x.map((value, at) => value + ((s - t) * first[at]) / 2);
  const rate = await velocity(middle, (t + s) / 2);
  return { x: x.map((value, at) => value + (s - t) * rate[at]) };
};

/** Returns the image, and what half of log(alpha/sigma) was, for the next step. */
const dpmPlusPlus = async (velocity, path, x, t, s, before) => {
  const { image } = parts(path, x, await velocity(x, t), t);
  const logRatio = (time) => log(max(path.alpha(time), 1e-6) / max(path.sigma(time), 1e-6));
  const now = logRatio(t);
  const extrapolated = before && path.sigma(s) > 0;
  const share = extrapolated ? (logRatio(s) - now) / (2 * (now - before.logRatio)) : 0;
  const kept = path.sigma(s) / path.sigma(t);
  const rest = path.alpha(s) - kept * path.alpha(t);
  const next = x.map((value, at) => {
    const further = share && share * (image[at] - before.image[at]);
    return kept * value + rest * (image[at] + further);
  });
  return { x: next, state: { image, logRatio: now } };
};

const ddim = async (velocity, path, x, t, s) => {
  const { image, noise } = parts(path, x, await velocity(x, t), t);
  return { x: image.map((value, at) => path.alpha(s) * value + path.sigma(s) * noise[at]) };
};

const ancestral = async (velocity, path, x, t, s, before, drawn) => {
  const { image, noise } = parts(path, x, await velocity(x, t), t);
  const kept = (path.sigma(s) * path.alpha(t)) / (path.alpha(s) * path.sigma(t));
  const fresh = sqrt(1 - kept * kept);
  return {
    x: image.map((value, at) => {
      return path.alpha(s) * value + path.sigma(s) * (kept * noise[at] + fresh * drawn[at]);
    }),
  };
};

/** Return the image and the noise of a velocity at x. */
function parts(path, x, velocity, t) {
  const [alpha, sigma] = [path.alpha(t), path.sigma(t)];
  const [alphaRate, sigmaRate] = [path.alphaRate(t), path.sigmaRate(t)];
  const determinant = alphaRate * sigma - alpha * sigmaRate;
  return {
    image: x.map((value, at) => (sigma * velocity[at] - sigmaRate * value) / determinant),
    noise: x.map((value, at) => (alphaRate * value - alpha * velocity[at]) / determinant),
  };
}

/** By name: a step, how many steps a draw has by default, and whether each takes noise of its own. */
export const SOLVERS = {
  euler: { step: euler, steps: 16 },
  heun: { step: heun, steps: 8 },
  midpoint: { step: midpoint, steps: 8 },
  "dpm++": { step: dpmPlusPlus, steps: 16 },
  ddim: { step: ddim, steps: 16 },
  ancestral: { step: ancestral, steps: 16, draws: true },
};

/**
 * Return how to draw from a denoiser with this contract: as its run does, with the options that are
 * given; or, where they name a sampler, by that with its defaults. Throws a RangeError that says what is
 * wrong. Options: sampler, steps, grid, guidance, guidance_from, guidance_until.
 */
export function plan(contract, given = {}) {
  const own = contract.sampler ?? {};
  const usable = own.package === "generative-toolkit" && Object.hasOwn(SOLVERS, own.name);
  const sampler = given.sampler ?? (usable ? own.name : "heun");
  if (!Object.hasOwn(SOLVERS, sampler)) {
    throw new RangeError(`unknown sampler '${sampler}'. Known: ${Object.keys(SOLVERS).join(", ")}`);
  }
  const usual = {
    steps: SOLVERS[sampler].steps, grid: "uniform", guidance: 1, guidance_from: 0, guidance_until: 1,
  };
  const suggested = usable && given.sampler === undefined ? own : {};
  const chosen = { ...usual, ...suggested, ...given, sampler };
  const { steps, grid, guidance, guidance_from: from, guidance_until: until } = chosen;
  if (!(Number.isInteger(steps) && steps >= 1 && steps <= 1000)) {
    throw new RangeError(`steps must be a whole number within 1..1,000, not ${steps}`);
  }
  if (!Object.hasOwn(GRIDS, grid)) {
    throw new RangeError(`unknown grid '${grid}'. Known: ${Object.keys(GRIDS).join(", ")}`);
  }
  if (!(guidance >= 0 && guidance <= 100)) {
    throw new RangeError(`guidance must be within 0..100, not ${guidance}`);
  }
  if (!(from >= 0 && from < until && until <= 1)) {
    throw new RangeError(`guidance must be from less than until, within 0..1, not ${from}..${until}`);
  }
  if (guidance !== 1 && contract.condition?.absent === undefined) {
    throw new RangeError("guidance needs a model that was trained with --condition-dropout");
  }
  return chosen;
}

/** Return what `drawNoise` of seed.js is to draw besides a denoiser's inputs: the noise of all steps. */
export function stepPorts({ latent }, { sampler, steps }) {
  const shape = [steps, ...latent.shape];
  return SOLVERS[sampler].draws ? [{ name: "steps", kind: "latent", shape, seed: "sample/steps" }] : [];
}

/**
 * Yield x at every time, from noise to images in -1..1.
 *
 * `evaluate(x, time, guided)` returns velocities, x's length of numbers; where `guided`, it returns two
 * lists of them in an array: with the condition, and without one. `drawn` has for each image the noise
 * of all steps, of a sampler that draws some.
 */
export async function* states(evaluate, pathName, x, chosen, drawn) {
  const { step, draws } = SOLVERS[chosen.sampler];
  const path = PATHS[pathName];
  const times = GRIDS[chosen.grid](chosen.steps, path).map(fround);
  const velocity = async (at, time) => {
    const inside = time >= chosen.guidance_from && time <= chosen.guidance_until;
    if (chosen.guidance === 1 || !inside) return evaluate(at, time, false);
    const [own, without] = await evaluate(at, time, true);
    return own.map((value, place) => {
      return without[place] + chosen.guidance * (value - without[place]);
    });
  };
  const noiseOf = (at) => {
    const size = x.length / drawn.length;
    return x.map((_, place) => drawn[floor(place / size)][at * size + (place % size)]);
  };
  let state;
  yield x;
  for (let at = 0; at < chosen.steps; at++) {
    const noise = draws && noiseOf(at);
    ({ x, state } = await step(velocity, path, x, times[at], times[at + 1], state, noise));
    yield x;
  }
}
