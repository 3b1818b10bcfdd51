// A square with a thumb: two numbers from -3 to 3, by mouse, finger or keys.

export const REACH = 3;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

export class Pad {
  x = 0;
  y = 0;

  /** `changed` is called after every move. */
  constructor(element, thumb, changed) {
    this.element = element;
    this.thumb = thumb;
    this.changed = changed;
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      this.#follow(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) this.#follow(event);
    });
    element.addEventListener("keydown", (event) => this.#press(event));
    this.#show();
  }

  moveTo(x, y) {
    // What is shown is what is drawn: two digits.
    const within = (value) => Math.round(100 * Math.min(REACH, Math.max(-REACH, value))) / 100;
    [this.x, this.y] = [within(x), within(y)];
    this.#show();
    this.changed();
  }

  #follow(event) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    const across = (event.clientX - left) / width;
    const down = (event.clientY - top) / height;
    this.moveTo((2 * across - 1) * REACH, (1 - 2 * down) * REACH);
  }

  #press(event) {
    const step = event.shiftKey ? 0.5 : 0.1;
    if (event.key === "Home") this.moveTo(0, 0);
    else if (event.key in STEPS) {
      const [x, y] = STEPS[event.key];
      this.moveTo(this.x + x * step, this.y + y * step);
    } else return;
    event.preventDefault();
  }

  #show() {
    this.thumb.style.left = `${50 + (50 * this.x) / REACH}%`;
    this.thumb.style.top = `${50 - (50 * this.y) / REACH}%`;
    this.element.setAttribute("aria-valuenow", this.x.toFixed(2));
    const text = `across ${this.x.toFixed(2)}, up ${this.y.toFixed(2)}`;
    this.element.setAttribute("aria-valuetext", text);
  }
}
