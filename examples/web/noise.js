// numpy's standard normal noise: one seed draws the same images here, in Python and in `gtk sample`.
//
// The bits are O'Neill's (PCG64, seeded by her seed_seq), the numbers Marsaglia and Tsang's (a ziggurat
// of 256 layers), both as numpy.random has them. docs/apps.md of gtk has numbers to compare with.

const { exp, fround, imul, log, log1p, round, sqrt } = Math;

/**
 * Return np.random.default_rng(seed).standard_normal(count, np.float32). The last bit of numbers
 * beyond 3.65 may differ: they are logarithms, which C libraries round differently.
 *
 * `seed` is a whole number of at least 0 and of any size: a Number, a BigInt or a string of digits.
 */
export function normal(seed, count) {
  if (!/^\d+$/.test(seed)) {
    throw new RangeError(`a seed is a whole number of at least 0, not '${seed}'`);
  }
  const bits = pcg64(seedWords(BigInt(seed)));
  return Float32Array.from({ length: count }, () => ziggurat(bits));
}

/** Return 8 words of 32 bits: np.random.SeedSequence(seed).generate_state(8). */
function seedWords(seed) {
  let constant = 0x43b0d7e5;
  const hash = (word, factor) => {
    word ^= constant;
    constant = imul(constant, factor);
    word = imul(word, constant);
    return word ^ (word >>> 16);
  };
  const entropy = [];
  for (; seed > 0n || entropy.length < 4; seed >>= 32n) entropy.push(Number(seed & 0xffffffffn));
  const pool = entropy.slice(0, 4).map((word) => hash(word, 0x931e8875));
  const mix = (at, word) => {
    const mixed = imul(pool[at], 0xca01f9dd) - imul(hash(word, 0x931e8875), 0x4973f715);
    pool[at] = mixed ^ (mixed >>> 16);
  };
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (to !== from) mix(to, pool[from]);
  }
  for (const word of entropy.slice(4)) for (let to = 0; to < 4; to++) mix(to, word);
  constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, at) => hash(pool[at % 4], 0x58f38ded) >>> 0);
}

/** Return a source of 32 bits: the lower half of each number of PCG64, then the upper one. */
function pcg64(words) {
  const joined = (places) => places.reduce((sum, at) => (sum << 32n) | BigInt(words[at]), 0n);
  const increment = (joined([5, 4, 7, 6]) << 1n) | 1n;
  let state = increment + joined([1, 0, 3, 2]);
  const step = () => {
    state = BigInt.asUintN(128, state * 0x2360ed051fc65da44385df649fccf645n + increment);
  };
  step();
  let upper = null;
  return () => {
    const kept = upper;
    upper = null;
    if (kept !== null) return kept;
    step();
    const folded = BigInt.asUintN(64, state ^ (state >> 64n));
    const turn = state >> 122n;
    const turned = (folded >> turn) | (folded << (64n - turn));
    upper = Number(BigInt.asUintN(32, turned >> 32n));
    return Number(BigInt.asUintN(32, turned));
  };
}

/** Where the tail begins, and the area of each layer. */
const [TAIL, AREA] = [3.6541528853610088, 0.004928673233974655];
const density = (x) => exp(-0.5 * x * x);
/** Where layers end: the lowest, which has the tail, is the first; the others go down from the top. */
const ends = [AREA / density(TAIL)];
ends[255] = TAIL;
for (let layer = 254; layer > 0; layer--) {
  const below = ends[layer + 1];
  ends[layer] = sqrt(-2 * log(AREA / below + density(below)));
}
const WIDTHS = Float32Array.from(ends, (end) => end / 2 ** 23);
/** Lengths below these are under the curve whatever the height. */
const SURE = ends.map((end, layer) => round(([TAIL, 0][layer] ?? ends[layer - 1]) / end * 2 ** 23));
const HEIGHTS = Float32Array.from(ends, (end, layer) => (layer ? density(end) : 1));

/** Return a number; every step is rounded to float32, as in C, but for the density. */
function ziggurat(bits) {
  const share = () => (bits() >>> 8) / 2 ** 24;
  for (;;) {
    const drawn = bits();
    const layer = drawn & 0xff;
    const length = drawn >>> 9;
    const x = fround(length * WIDTHS[layer]) * (drawn & 0x100 ? -1 : 1);
    if (length < SURE[layer]) return x;
    if (layer === 0) return tail(share) * (length & 0x100 ? -1 : 1);
    const step = fround(HEIGHTS[layer - 1] - HEIGHTS[layer]);
    const height = fround(fround(step * share()) + HEIGHTS[layer]);
    if (height < density(x)) return x;
  }
}

/** Return a number beyond TAIL (Marsaglia's method). */
function tail(share) {
  for (;;) {
    const beyond = fround(fround(1 / TAIL) * -fround(log1p(-share())));
    const level = -fround(log1p(-share()));
    if (fround(level + level) > fround(beyond * beyond)) return fround(fround(TAIL) + beyond);
  }
}
