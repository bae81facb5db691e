/** The sounds in the four corners, and how dropped files become their instrument. */

import { Refusal } from "./source.js";

const CORNERS = 4;

export class Library {
  /**
   * @param source Where instruments come from.
   * @param handlers `slots(slots)` shows the corners, `instrument(made)` takes an instrument, `say(text)`.
   */
  constructor(source, handlers) {
    this.source = source;
    this.handlers = handlers;
    this.sounds = [];
    this.slots = [];
    this.wanted = 0;
    this.played = 0;
    this.made = null;
  }

  /** Get the instrument with which the page opens. */
  async open() {
    const { sounds, instrument } = await this.source.start();
    this.sounds = sounds;
    this.slots = sounds.map(({ name }) => ({ name: withoutSuffix(name), working: "waits" }));
    this.show();
    if (!instrument) return false;
    await this.take(instrument, sounds);
    return true;
  }

  show() {
    this.handlers.slots(Array.from({ length: CORNERS }, (_, index) => this.slots[index] || null));
  }

  /** Put files into the corners from one on; null: the first that is empty. */
  async add(files, corner) {
    const first = Math.min(corner ?? (this.sounds.length < CORNERS ? this.sounds.length : 0), this.sounds.length);
    const places = files.slice(0, CORNERS).map((file, index) => ({ file, at: (first + index) % CORNERS }));
    if (files.length > CORNERS) this.handlers.say(`The pad has four corners, got ${files.length} sounds; the first four are taken.`);
    const wanted = [...this.sounds];
    const before = this.slots.slice();
    let failed = 0;
    for (const { file, at } of places) {
      this.slots[at] = { ...(before[at] || {}), name: withoutSuffix(file.name), working: "is uploaded", error: "" };
      this.show();
    }
    for (const { file, at } of places) {
      const place = Math.min(at, wanted.length);
      try {
        wanted[place] = await this.source.upload(file);
      } catch (error) {
        failed += 1;
        this.refuse(at, before[at], error);
        continue;
      }
      if (places.length > 1 && !this.made) this.order([...wanted]).catch(() => {}); // the first plays before the others
    }
    if (failed < places.length) await this.order(wanted, before);
  }

  /** Ask for the instrument of these sounds; one that is refused is left out, and the others play. */
  async order(sounds, before = []) {
    const mine = ++this.wanted;
    try {
      await this.take(await this.source.order(sounds.map(({ id }) => id)), sounds, mine);
    } catch (error) {
      const bad = error.sound ?? (sounds.length === 1 ? 0 : null);
      if (mine !== this.wanted) return;
      if (bad === null) {
        this.handlers.say(error.message);
        this.slots = this.slots.map((slot) => slot && { ...slot, working: "" });
        this.show();
        return;
      }
      this.refuse(bad, before[bad], error);
      const kept = this.sounds[bad];
      const others = kept ? sounds.with(bad, kept) : sounds.filter((_, index) => index !== bad);
      const changed = others.length !== this.sounds.length || others.some(({ id }, at) => id !== this.sounds[at].id);
      if (changed && others.length) await this.order(others, before);
    }
  }

  refuse(at, before, error) {
    if (!(error instanceof Refusal)) throw error;
    this.slots[at] = { ...(before || { name: this.slots[at]?.name || "sound" }), working: "", error: error.message };
    this.handlers.say(error.message);
    this.show();
  }

  async take(job, sounds, mine = ++this.wanted) {
    const made = await this.source.finish(job, (step) => this.progress(sounds, step));
    if (mine < this.played) return; // a later one plays already
    this.played = mine;
    this.made = made;
    this.sounds = sounds;
    const header = await this.handlers.instrument(made);
    const old = this.slots;
    this.slots = header.names.map((name, index) => ({
      name,
      pitch: header.pitches[index],
      seconds: header.seconds[index],
      notes: header.notes[index],
      overview: made.sounds[index]?.overview,
    }));
    for (let at = 0; at < CORNERS; at += 1) {
      const pending = old[at] && (mine < this.wanted || old[at].error);
      if (pending && !this.slots[at]) this.slots[at] = old[at];
      else if (old[at]?.error && this.slots[at]) this.slots[at].error = old[at].error;
    }
    this.show();
  }

  progress(sounds, step) {
    let changed = false;
    for (let at = 0; at < CORNERS; at += 1) {
      const slot = this.slots[at];
      if (slot?.working !== undefined && slot.working && slot.working !== step) {
        this.slots[at] = { ...slot, working: step };
        changed = true;
      }
    }
    if (changed) this.show();
  }
}

function withoutSuffix(name) {
  return name.replace(/\.[^.]*$/, "") || name;
}
