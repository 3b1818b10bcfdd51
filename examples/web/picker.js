// Controls for what a model is conditioned on.

/** Fill `place` with controls; return a function that gives the condition that they show. */
export function makePicker(place, condition, changed) {
  if (!condition) return () => null;
  const field = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = { classes: "Class", attributes: "Attributes", continuous: "Numbers" }[
    condition.kind
  ];
  field.append(legend);
  const inputs = condition.names.map((name, index) => {
    const made = condition.kind === "continuous" ? number : chip;
    const { label, input } = made(name, index, condition);
    field.append(label);
    return input;
  });
  field.addEventListener("input", changed);
  place.replaceChildren(field);
  if (condition.kind === "classes") return () => inputs.findIndex((input) => input.checked);
  if (condition.kind === "attributes") return () => inputs.map((input) => Number(input.checked));
  return () => inputs.map((input) => input.valueAsNumber);
}

function chip(name, index, condition) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const text = document.createElement("span");
  label.className = "chip";
  text.textContent = name;
  input.name = "condition";
  input.value = index;
  input.type = condition.kind === "classes" ? "radio" : "checkbox";
  input.checked = condition.kind === "classes" && index === 0;
  label.append(input, text);
  return { label, input };
}

function number(name, index, condition) {
  const [low, high] = condition.ranges[index];
  const label = document.createElement("label");
  const text = document.createElement("span");
  const shown = document.createElement("output");
  const input = document.createElement("input");
  label.className = "number";
  text.textContent = name;
  Object.assign(input, { type: "range", min: low, max: high, step: (high - low) / 200 });
  input.value = (low + high) / 2;
  const show = () => (shown.textContent = Number(input.valueAsNumber.toPrecision(4)));
  input.addEventListener("input", show);
  show();
  label.append(text, input, shown); // a label is for the first that can have one
  return { label, input };
}
