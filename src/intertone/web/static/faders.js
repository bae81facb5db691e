/** A bank of faders. */

const STEPS = 1000;

/** Return a control's value at a position of its fader, 0 to 1; with a curve, low values have more room. */
function valueAt(control, position) {
  const value = control.min + (control.max - control.min) * position ** (control.curve || 1);
  return control.step ? Math.round(value / control.step) * control.step : value;
}

function positionOf(control, value) {
  return ((value - control.min) / (control.max - control.min)) ** (1 / (control.curve || 1));
}

/**
 * Fill an element with faders.
 * @param hint Called with the sentence of the control that is pointed at or has the focus.
 */
export function buildFaders(root, controls, state, hint) {
  const shown = new Map();
  for (const control of controls) {
    const box = document.createElement("div");
    box.className = "fader";
    const name = document.createElement("label");
    name.textContent = control.label;
    const input = document.createElement("input");
    input.type = "range";
    input.id = `control-${control.name}`;
    input.max = STEPS;
    name.htmlFor = input.id;
    const help = document.createElement("span");
    help.id = `help-${control.name}`;
    help.className = "unseen";
    help.textContent = control.hint;
    input.setAttribute("aria-describedby", help.id);
    const output = document.createElement("output");
    output.htmlFor = input.id;
    box.append(name, input, output, help);
    root.append(box);
    shown.set(control.name, { control, input, output });

    let moving = false;
    input.addEventListener("input", () => {
      if (!moving) state.begin();
      moving = true;
      state.set(control.name, valueAt(control, input.value / STEPS));
    });
    input.addEventListener("change", () => (moving = false));
    box.addEventListener("dblclick", () => {
      state.begin();
      state.set(control.name, control.value);
    });
    for (const event of ["pointerenter", "focusin"]) box.addEventListener(event, () => hint(`${control.label}. ${control.hint}`));
    for (const event of ["pointerleave", "focusout"]) box.addEventListener(event, () => hint(""));
  }
  const show = (name, value) => {
    const fader = shown.get(name);
    if (!fader) return;
    fader.output.textContent = fader.control.read(value);
    fader.input.value = Math.round(STEPS * positionOf(fader.control, value));
    fader.input.setAttribute("aria-valuetext", fader.output.textContent);
    fader.input.style.setProperty("--at", positionOf(fader.control, value));
  };
  for (const control of controls) show(control.name, state.values[control.name]);
  state.onChange(show);
}
