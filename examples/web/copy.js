// Copies the two files of onnxruntime-web that the page loads into onnxruntime/ beside it.
import { cpSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const from = new URL("node_modules/onnxruntime-web/dist/", import.meta.url);
const to = new URL("onnxruntime/", import.meta.url);
mkdirSync(to, { recursive: true });
for (const name of ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"]) {
  cpSync(fileURLToPath(new URL(name, from)), fileURLToPath(new URL(name, to)));
}
