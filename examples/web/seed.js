// The noise of all inputs of a file, as gtk draws it: one seed, and from it the seeds of further inputs.
//
// Those are 32 bits of BLAKE2b (RFC 7693), which browsers do not have: of "7/sample/steps" for seed 7 and
// an input whose "seed" in the contract is "sample/steps". docs/noise.json of gtk has numbers to compare.

import { normal } from "./noise.js";

/** Return the noise of `count` images by the name of each input that takes some: Float32Array. */
export function drawNoise(inputs, seed, count) {
  const ports = inputs.filter((port) => port.kind === "latent");
  const drawn = ports.map(({ name, shape, seed: purpose }) => {
    const own = purpose === undefined ? seed : deriveSeed(seed, purpose);
    return [name, normal(own, count * shape.reduce((product, size) => product * size, 1))];
  });
  return Object.fromEntries(drawn);
}

const START = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
/** The order of a block's words in each round, in hexadecimal; two rounds more begin again. */
const ORDERS = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8",
  "905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a",
  "6fe9b308c2d714a5", "a2847615fb9e3cd0", "0123456789abcdef", "ea489fd61c02b753",
].map((order) => Array.from(order, (digit) => parseInt(digit, 16)));
/** Columns of the 4 x 4 state, then its diagonals. */
const PLACES = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];
const BLOCK = 128;

/** Return gtk's derive_seed(seed, purpose); the seed is as in `normal`. */
export function deriveSeed(seed, purpose) {
  const text = new TextEncoder().encode(`${BigInt(seed)}/${purpose}`);
  const length = BLOCK * Math.max(1, Math.ceil(text.length / BLOCK));
  const padded = new Uint8Array(length);
  padded.set(text);
  const view = new DataView(padded.buffer);
  const state = START.slice();
  state[0] ^= 0x01010004n; // a digest of 4 bytes, without a key
  for (let first = 0; first < length; first += BLOCK) {
    const words = Array.from({ length: 16 }, (_, at) => view.getBigUint64(first + 8 * at, true));
    const last = first + BLOCK === length;
    mixBlock(state, words, BigInt(last ? text.length : first + BLOCK), last);
  }
  return Number(state[0] & 0xffffffffn);
}

/** Mix a block of 16 words into the state, `count` bytes from the beginning of the text. */
function mixBlock(state, words, count, last) {
  const mixed = [...state, ...START];
  mixed[12] ^= count;
  if (last) mixed[14] ^= 0xffffffffffffffffn;
  for (const order of ORDERS) {
    PLACES.forEach(([a, b, c, d], at) => {
      [[words[order[2 * at]], 32n, 24n], [words[order[2 * at + 1]], 16n, 63n]].forEach(
        ([word, turn, other]) => {
          mixed[a] = BigInt.asUintN(64, mixed[a] + mixed[b] + word);
          mixed[d] = turned(mixed[d] ^ mixed[a], turn);
          mixed[c] = BigInt.asUintN(64, mixed[c] + mixed[d]);
          mixed[b] = turned(mixed[b] ^ mixed[c], other);
        },
      );
    });
  }
  state.forEach((word, at) => (state[at] = word ^ mixed[at] ^ mixed[at + 8]));
}

/** Return 64 bits turned to the right. */
function turned(word, bits) {
  return BigInt.asUintN(64, (word >> bits) | (word << (64n - bits)));
}
