/** Values of all controls, with undo, two versions A and B, and the address of the page. */

const DEPTH = 100;

export class State {
  /**
   * @param controls Each with `name` and `value`, its value at the start; numbers with `min`, `max` and possibly `step`,
   *   texts with `admits`, which returns whether a text can be their value.
   */
  constructor(controls) {
    this.controls = new Map(controls.map((control) => [control.name, control]));
    this.values = Object.fromEntries(controls.map((control) => [control.name, control.value]));
    this.handlers = [];
    this.undone = [];
    this.version = "A";
    this.versions = { A: null, B: null };
    this.read();
    addEventListener("hashchange", () => {
      this.read();
      this.tell(Object.keys(this.values));
    });
  }

  /** Call `handler(name, value)` whenever a value changes. */
  onChange(handler) {
    this.handlers.push(handler);
  }

  /** Remember the present values; to be called where a change by hand begins. */
  begin() {
    this.undone.push({ ...this.values });
    if (this.undone.length > DEPTH) this.undone.shift();
  }

  set(name, value) {
    const found = admitted(this.controls.get(name), value);
    if (found === null || found === this.values[name]) return;
    this.values[name] = found;
    this.tell([name]);
    this.write();
  }

  /** Set values that belong together, such as those of a place: handlers are called when all are there. */
  setAll(values) {
    const found = Object.entries(values).map(([name, value]) => [name, admitted(this.controls.get(name), value)]);
    this.move(Object.fromEntries(found.filter(([, value]) => value !== null)));
    this.write();
  }

  /** Set values that change continuously, such as the place on the pad, without writing them to the URL. */
  move(values) {
    const changed = Object.keys(values).filter((name) => values[name] !== this.values[name]);
    Object.assign(this.values, values);
    this.tell(changed);
  }

  undo() {
    const before = this.undone.pop();
    if (before) this.take(before);
    return Boolean(before);
  }

  /** Change between versions A and B; the second begins as a copy of the first. */
  other() {
    this.versions[this.version] = { ...this.values };
    this.version = this.version === "A" ? "B" : "A";
    this.take(this.versions[this.version] || this.values);
  }

  take(values) {
    const changed = Object.keys(this.values).filter((name) => values[name] !== this.values[name]);
    Object.assign(this.values, values);
    this.tell(changed);
    this.write();
  }

  tell(names) {
    for (const name of names) for (const handler of this.handlers) handler(name, this.values[name]);
  }

  read() {
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      const control = this.controls.get(name);
      const found = control && text !== "" ? admitted(control, control.admits ? text : Number(text)) : null;
      if (found !== null) this.values[name] = found;
    }
  }

  write() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const words = new URLSearchParams();
      for (const [name, control] of this.controls) {
        const value = this.values[name];
        if (value === control.value) continue;
        words.set(name, control.admits ? value : String(Math.round(value * 1e4) / 1e4));
      }
      history.replaceState(null, "", `#${words}`);
    }, 200);
  }
}

/** Return a value as a control can have it, or null where it cannot. */
function admitted({ min, max, step, admits }, value) {
  if (admits) return admits(value) ? value : null;
  const rounded = step ? Math.round(value / step) * step : value;
  return Number.isFinite(rounded) ? Math.min(max, Math.max(min, rounded)) : null;
}
