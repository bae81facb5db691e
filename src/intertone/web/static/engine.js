// The engine for a page: notes, parameters and instruments of the AudioWorklet.
//
//   const engine = await Engine.create(context, { worklet: "worklet.js" });
//   engine.output.connect(context.destination);
//   await engine.load(bytes);
//   engine.noteOn(60, 0.8, { id: "a" });
//   engine.params.padX.value = 0.5;

import { prepared } from "./prepare.js";
import { MOST_VOICES } from "./size.js";
import { PARAMETERS } from "./synthesiser.js";

const STATUS_MS = 100;

export class Engine {
  // Start the engine in a context. `worklet` is the address of worklet.js; `voices` sound at once at most.
  static async create(context, { worklet, voices = MOST_VOICES } = {}) {
    if (!context.audioWorklet) throw new Error("the browser must have AudioWorklet, got one without");
    await context.audioWorklet.addModule(worklet);
    const node = new AudioWorkletNode(context, "intertone-engine", {
      numberOfInputs: 0,
      numberOfOutputs: 1,
      outputChannelCount: [2],
      processorOptions: { voices },
    });
    return new Engine(context, node);
  }

  constructor(context, node) {
    this.context = context;
    this.output = node;
    this.header = null;
    this.params = Object.fromEntries(PARAMETERS.map(([name]) => [name, node.parameters.get(name)]));
    this.handlers = { status: new Set(), error: new Set() };
    this.waiting = new Map();
    this.tickets = 0;
    this.timer = null;
    node.port.onmessage = ({ data }) => this._hear(data);
    node.onprocessorerror = () => this._fail(new Error("the engine must run, but it stopped after an error"));
  }

  // Take an instrument, the content of its file. The promise resolves when it can be played. With `again` notes that are
  // held begin again with it. With `glides` sounding notes glide to it: both instruments must be of one sound.
  async load(bytes, how) {
    return this.take(prepared(bytes), how);
  }

  // The same for an instrument that was made ready, as by a Preparer, so that a page does not stand still for that.
  async take(instrument, { again = false, glides = false } = {}) {
    const ticket = ++this.tickets;
    const loaded = new Promise((resolve, reject) => this.waiting.set(ticket, { resolve, reject }));
    this._send({ type: "load", ticket, instrument: { ...instrument, glides }, again });
    // a context that is suspended answers messages too, but some browsers only once it runs
    if (this.context.state === "running") await loaded;
    this.header = instrument.header;
  }

  // Begin a note: a MIDI number with fractions, and a velocity, 0 to 1. A note with the same id ends. `own` holds the
  // note's own bend, pressure and timbre at its start, as for `express`.
  noteOn(key, velocity = 1, { id = key, own = null } = {}) {
    this._send({ type: "noteOn", key, velocity, id, own });
  }

  // Change the expression of one note: bend (semitones), pressure (0 to 1) or timbre (-1 to 1; 0: where the pad is).
  express(id, name, value) {
    this._send({ type: "express", id, name, value });
  }

  // Play one note at a time: the last key, gliding from key to key where they overlap; or all notes.
  mono(on) {
    this._send({ type: "mono", on });
  }

  // Let so many voices sound at once, and so many partials in each.
  limit(voices, partials) {
    this._send({ type: "limits", voices, partials });
  }

  noteOff(id) {
    this._send({ type: "noteOff", id });
  }

  // End all notes within a few milliseconds, and lift the pedal.
  panic() {
    this._send({ type: "panic" });
  }

  // Press or lift the sustain pedal.
  sustain(down) {
    this._send({ type: "sustain", down });
  }

  // Call `handler` with {voices, partials, underruns} ten times a second ("status"), or with an Error ("error").
  // It returns a function that ends this.
  on(name, handler) {
    if (!this.handlers[name]) throw new Error(`an event of the engine must be status or error, got ${name}`);
    this.handlers[name].add(handler);
    if (name === "status" && this.timer === null) {
      this.timer = setInterval(() => this._send({ type: "status" }), STATUS_MS);
    }
    return () => this._off(name, handler);
  }

  _off(name, handler) {
    this.handlers[name].delete(handler);
    if (name === "status" && !this.handlers.status.size) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }

  // Stop for good.
  close() {
    clearInterval(this.timer);
    this.output.disconnect();
    this.output.port.close();
  }

  _send(message) {
    this.output.port.postMessage(message);
  }

  _hear(data) {
    if (data.type === "loaded") {
      this.waiting.get(data.ticket)?.resolve();
      this.waiting.delete(data.ticket);
    } else if (data.type === "status") {
      const { voices, partials } = data;
      const underruns = this.context.playbackStats?.underrunEvents ?? data.underruns;
      for (const handler of this.handlers.status) handler({ voices, partials, underruns });
    }
  }

  _fail(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    for (const handler of this.handlers.error) handler(error);
  }
}
