/** The sound of the page: made on the first gesture; notes that came before it was ready are played when it is. */

import { Engine } from "./engine.js";
import { Preparer } from "./prepare.js";

/** Milliseconds that a note which was let go before the engine was ready still counts. */
const LATE_MS = 1500;

/** Milliseconds after which a context that a gesture has begun runs, if there is a device for its sound. */
const BEGIN_MS = 3000;

/**
 * Whether the page may ask for the output latency. In Firefox it waits there for the device's thread, which may wait for
 * the audio thread and that for the page: the page stood still for ever, on Linux with PulseAudio often.
 */
const TELLS_LATENCY = !navigator.userAgent.includes("Firefox");

const PAUSED = "The browser has paused the sound; touch a key to go on.";
const NO_DEVICE = "The browser does not begin to play: it may have no loudspeaker or headphones.";

export const NO_WORKLET = isSecureContext
  ? "This browser has no AudioWorklet, which makes the sound; Firefox, Chrome, Edge and Safari of the last years have it."
  : "Browsers make this sound only on this computer (127.0.0.1) or over https.";

export function canSound() {
  return typeof AudioContext === "function" && "audioWorklet" in AudioContext.prototype;
}

export class Sound {
  /**
   * @param worklets Addresses of the audio threads by name.
   * @param worker Address of the thread that makes instruments ready.
   * @param state Values of the controls.
   * @param said Called with a sentence when something changes: `said(text)`.
   */
  constructor(worklets, worker, state, said) {
    this.worklets = worklets;
    this.preparer = new Preparer(worker);
    this.state = state;
    this.said = said;
    this.early = new Map();
    this.ready = null;
    this.engine = null;
    this.loaded = false;
    this.made = null; // a promise of the instrument that was loaded last
    this.how = {};
    this.started = [];
    this.held = false;
    this.limits = null;
    state.onChange((name, value) => this.set(name, value));
  }

  /** Call `handler(context, output)` once, when there is sound. */
  onStart(handler) {
    this.started.push(handler);
  }

  /** Make the context; to be called in a gesture. */
  wake() {
    if (this.context?.state === "suspended") this.context.resume();
    this.ready ??= this.begin().catch((error) => this.said(`No sound could be made: ${error.message}.`));
    return this.ready;
  }

  async begin() {
    this.context = new AudioContext({ latencyHint: "interactive" });
    let stopped = null;
    const tell = (text) => this.said((stopped = text));
    this.context.onstatechange = () => {
      if (this.context.state !== "running") tell(PAUSED);
      else if (stopped) tell("");
    };
    setTimeout(() => this.context.state !== "running" && tell(NO_DEVICE), BEGIN_MS);
    const engine = await Engine.create(this.context, { worklet: this.worklets["worklet.js"] });
    this.engine = engine;
    engine.output.connect(this.context.destination);
    if (this.limits) engine.limit(...this.limits);
    for (const [name, value] of Object.entries(this.state.values)) this.set(name, value);
    for (const handler of this.started) handler(this.context, engine);
    if (this.made) await this.take();
  }

  /** Play this instrument from now on; `how` is as for the engine. It is made ready before there is sound. */
  async load(bytes, how = {}) {
    this.made = this.preparer.prepare(bytes);
    this.how = how;
    this.made.catch(() => {}); // it is said where it is taken
    if (this.engine) await this.take();
  }

  async take() {
    const { how } = this;
    await this.engine.take(await this.made, how);
    this.loaded = true;
    this.engine.sustain(this.held);
    const now = performance.now();
    for (const [id, note] of this.early) {
      if (note.off && now - note.at > LATE_MS) continue;
      this.engine.noteOn(note.key, note.velocity, { id, own: note.own });
      if (note.off) this.engine.noteOff(id);
    }
    this.early.clear();
  }

  set(name, value) {
    if (name === "mono") this.engine?.mono(value === 1);
    const parameter = this.engine?.params[name];
    if (parameter) parameter.value = value;
  }

  on(key, velocity, id, own = null) {
    if (this.loaded) this.engine.noteOn(key, velocity, { id, own });
    else this.early.set(id, { key, velocity, own, at: performance.now(), off: false });
  }

  /** Change what a note has of its own: bend, pressure or timbre. */
  express(id, name, value) {
    const early = this.early.get(id);
    if (this.loaded) this.engine.express(id, name, value);
    else if (early) early.own = { ...early.own, [name]: value };
  }

  off(id) {
    if (this.loaded) this.engine.noteOff(id);
    else if (this.early.has(id)) this.early.get(id).off = true;
  }

  hold(on) {
    this.held = on;
    this.engine?.sustain(on);
  }

  /** Let so many voices sound at once, and so many partials in each. */
  limit(voices, partials) {
    this.limits = [voices, partials];
    this.engine?.limit(voices, partials);
  }

  panic() {
    this.early.clear();
    this.engine?.panic();
  }

  /** Return the output latency that the browser reports, ms: of its audio processing and of the device; 0: unknown. */
  get latency() {
    if (!TELLS_LATENCY) return 0;
    return 1000 * ((this.context?.baseLatency || 0) + (this.context?.outputLatency || 0));
  }
}
