// Expression of one note: bend, pressure and timbre, smoothed like the parameters of all notes.

export class Expression {
  constructor() {
    this.begin(null);
  }

  // Set all values without smoothing, before the note sounds; null: neutral values.
  begin(values) {
    this.bend = values?.bend ?? 0; // semitones
    this.pressure = values?.pressure ?? 0; // 0 to 1
    this.timbre = values?.timbre ?? 0; // -1 to 1: 0 is the place of the pad, the ends are the pad's
    this.wantedBend = this.bend;
    this.wantedPressure = this.pressure;
    this.wantedTimbre = this.timbre;
  }

  // Set the value that bend, pressure or timbre is to reach.
  set(name, value) {
    if (name === "bend") this.wantedBend = Math.max(-96, Math.min(96, value));
    else if (name === "pressure") this.wantedPressure = Math.max(0, Math.min(1, value));
    else if (name === "timbre") this.wantedTimbre = Math.max(-1, Math.min(1, value));
    else throw new Error(`what a note has of its own must be bend, pressure or timbre, got ${name}`);
  }

  // Return the values that are to be reached, as `begin` takes them.
  wanted() {
    return { bend: this.wantedBend, pressure: this.wantedPressure, timbre: this.wantedTimbre };
  }

  // Smooth the values towards those that are to be reached, once a quantum.
  smooth(share) {
    this.bend += share * (this.wantedBend - this.bend);
    this.pressure += share * (this.wantedPressure - this.pressure);
    this.timbre += share * (this.wantedTimbre - this.timbre);
  }

  // Return a place on an axis of the pad, moved by the timbre: -1 leads to its beginning, 1 to its end.
  placed(place) {
    return this.timbre < 0 ? place * (1 + this.timbre) : place + (1 - place) * this.timbre;
  }
}
