/** Values of all controls, with undo, two versions A and B, and the address of the page. */

const DEPTH = 100;

export class State {
  /** @param controls Each with `name`, `min`, `max` and `value`, its value at the start. */
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
    const control = this.controls.get(name);
    const bounded = Math.min(control.max, Math.max(control.min, value));
    if (!Number.isFinite(bounded) || bounded === this.values[name]) return;
    this.values[name] = bounded;
    this.tell([name]);
    this.write();
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
      const value = Number(text);
      if (control && text !== "" && Number.isFinite(value)) {
        this.values[name] = Math.min(control.max, Math.max(control.min, value));
      }
    }
  }

  write() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const words = new URLSearchParams();
      for (const [name, control] of this.controls) {
        const value = this.values[name];
        if (value !== control.value) words.set(name, String(Math.round(value * 1e4) / 1e4));
      }
      history.replaceState(null, "", `#${words}`);
    }, 200);
  }
}
