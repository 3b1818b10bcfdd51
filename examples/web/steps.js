// The page for a denoiser: an image that appears from noise, step by step, as often as something changes.
import { makePicker } from "./picker.js";
import { plan, SOLVERS } from "./solvers.js";

/** Show the controls of a solver instead of the pad, and draw; `report` shows an error. */
export async function showSteps(model, seed, { find, paint, report }) {
  const { contract } = model;
  find("title").textContent = document.title = "From noise to an image";
  for (const id of ["pad", "hint", "axes"]) find(id).hidden = true;
  find("solver").hidden = false;

  const usual = plan(contract); // throws where the manifest does not fit
  const [sampler, steps, guidance] = ["sampler", "steps", "guidance"].map(find);
  for (const name of Object.keys(SOLVERS)) sampler.add(new Option(name));
  sampler.value = usual.sampler;
  steps.value = usual.steps;
  guidance.value = usual.guidance;
  guidance.parentElement.hidden = contract.condition?.absent === undefined;

  let version = 0;
  let drawing = false;

  /** Draw until what is shown is what was asked for last. */
  async function draw() {
    drawing = true;
    try {
      for (let mine = null; mine !== version; ) {
        mine = version;
        const numbers = { steps: steps.valueAsNumber, guidance: guidance.valueAsNumber };
        const chosen = plan(contract, { ...usual, sampler: sampler.value, ...numbers });
        let step = 0;
        for await (const image of model.steps(seed, condition(), chosen)) {
          if (mine !== version) break;
          paint(find("image"), image);
          find("place").textContent = `seed ${seed}, step ${step++} of ${chosen.steps}`;
          find("message").textContent = "";
          await new Promise((resolve) => setTimeout(resolve)); // so that it is seen
        }
      }
    } finally {
      drawing = false;
    }
    const { dataset } = document.documentElement;
    dataset.drawn = Number(dataset.drawn ?? 0) + 1;
  }

  const redraw = () => {
    version += 1;
    return drawing ? null : draw().catch(report);
  };
  const condition = makePicker(find("condition"), contract.condition, redraw);
  sampler.addEventListener("input", () => {
    steps.value = SOLVERS[sampler.value].steps;
    redraw();
  });
  for (const input of [steps, guidance]) input.addEventListener("input", redraw);
  find("another").addEventListener("click", () => {
    seed = BigInt(seed) + 1n;
    redraw();
  });
  find("stage").hidden = false;
  await redraw();
}
