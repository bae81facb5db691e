/** The sounds in the four corners, and how dropped files become their instrument. */

import { MOST_SOUNDS } from "./size.js";
import { Refusal } from "./source.js";

export class Library {
  /**
   * @param source Where instruments come from.
   * @param handlers `slots(slots)` shows the corners, `instrument(made)` takes an instrument, `say(text)`.
   */
  constructor(source, handlers) {
    this.source = source;
    this.handlers = handlers;
    this.sounds = []; // of the instrument that plays
    this.ordered = []; // of the one that was ordered last
    this.adding = Promise.resolve();
    this.slots = [];
    this.shown = []; // slots of the instrument that plays
    this.uploading = new Set(); // corners whose files are on their way
    this.wanted = 0;
    this.played = 0;
    this.made = null;
    this.opened = false; // whether an instrument has been opened
  }

  /** Get the instrument with which the page opens; return whether there is one. */
  async open() {
    const { sounds, instrument } = await this.source.start();
    const kept = this.source.kept();
    if (kept.length && idsOf(kept).join() !== idsOf(sounds).join() && (await this.reopen(kept))) return true;
    this.slots = sounds.map(({ name }) => ({ name: withoutSuffix(name), working: "waits" }));
    this.show();
    if (instrument) await this.attempt(async () => instrument, sounds);
    return Boolean(instrument);
  }

  /** Get the instrument of the sounds that played before a reload; return whether the server still has them. */
  async reopen(kept) {
    let job;
    try {
      job = await this.source.order(idsOf(kept));
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return false;
      throw error;
    }
    this.slots = kept.map(({ name }) => ({ name: withoutSuffix(name), working: "waits" }));
    this.show();
    await this.attempt(async () => job, kept);
    return this.opened;
  }

  show() {
    this.handlers.slots(Array.from({ length: MOST_SOUNDS }, (_, index) => this.slots[index] || null));
  }

  /**
   * Put files into the corners from one on; null: those that are empty, or all from the first on.
   * Files that come while others are uploaded wait for these, so that both find their corners.
   */
  add(files, corner) {
    const added = this.adding.then(() => this.addNow(files, corner));
    this.adding = added.catch(() => {});
    return added;
  }

  async addNow(files, corner) {
    this.forget();
    const free = this.ordered.length + files.length <= MOST_SOUNDS ? this.ordered.length : 0;
    const first = Math.min(corner ?? free, this.ordered.length);
    const places = files.slice(0, MOST_SOUNDS).map((file, index) => ({ file, at: (first + index) % MOST_SOUNDS }));
    if (files.length > MOST_SOUNDS) this.handlers.say(`The pad has four corners, got ${files.length} sounds; the first four are taken.`);
    const wanted = [...this.ordered];
    let failed = 0;
    for (const { file, at } of places) {
      this.uploading.add(at);
      this.slots[at] = { ...this.slots[at], name: withoutSuffix(file.name), working: "is uploaded", error: "" };
      this.show();
    }
    for (const { file, at } of places) {
      const place = Math.min(at, wanted.length);
      try {
        wanted[place] = await this.source.upload(file);
      } catch (error) {
        failed += 1;
        this.uploading.delete(at);
        this.refuse(at, error);
        continue;
      }
      // the first sound can be played while the others are uploaded
      if (places.length > 1 && !this.made && !this.wanted) {
        this.uploading.delete(at);
        this.order([...wanted]).catch(() => {});
      }
    }
    // the instrument is made while the next files are uploaded
    this.uploading.clear();
    if (failed < places.length) this.order(wanted).catch((error) => this.stop(error));
  }

  /** Remove what is said of files that were refused before. */
  forget() {
    this.slots = this.slots.map((slot, at) => {
      if (!slot?.error) return slot;
      return at < this.ordered.length ? { ...slot, error: "" } : null;
    });
  }

  /** Ask for the instrument of these sounds. */
  async order(sounds) {
    await this.attempt(() => this.source.order(idsOf(sounds)), sounds);
  }

  /** Play what a job makes of these sounds; one that is refused is left out, and the others play. */
  async attempt(begin, sounds) {
    const mine = ++this.wanted;
    this.ordered = sounds;
    try {
      await this.take(await begin(), sounds, mine);
    } catch (error) {
      if (mine !== this.wanted) return;
      const bad = error.sound ?? (sounds.length === 1 ? 0 : null);
      if (bad === null) this.stop(error);
      else await this.without(bad, sounds, error);
    }
  }

  /** Say what went wrong; what played before goes on. */
  stop(error) {
    this.handlers.say(error.message);
    this.ordered = this.sounds;
    this.slots = [...this.shown];
    this.show();
  }

  async without(bad, sounds, error) {
    this.refuse(bad, error);
    const kept = this.sounds[bad]?.id === sounds[bad].id ? undefined : this.sounds[bad];
    const others = kept ? sounds.with(bad, kept) : sounds.filter((_, index) => index !== bad);
    const changed = others.length !== this.sounds.length || others.some(({ id }, at) => id !== this.sounds[at].id);
    if (changed && others.length) await this.order(others);
    else this.ordered = this.sounds;
  }

  /** Say on a card why its file is not taken; a sound that plays there stays. */
  refuse(at, error) {
    if (!(error instanceof Refusal)) throw error;
    this.slots[at] = { ...(this.shown[at] || { name: this.slots[at]?.name || "sound" }), working: "", error: error.message };
    this.handlers.say(error.message);
    this.show();
  }

  async take(job, sounds, mine) {
    const made = await this.source.finish(job, (step) => this.progress(step));
    if (mine < this.played) return; // a later one plays already
    this.played = mine;
    this.made = made;
    this.sounds = sounds;
    const header = await this.handlers.instrument(made);
    this.source.keep(sounds);
    this.opened = true;
    const old = this.slots;
    this.slots = header.names.map((name, index) => ({
      name,
      pitch: header.pitches[index],
      seconds: header.seconds[index],
      steady: header.steady[index],
      notes: [...(made.sounds[index]?.remarks || []), ...header.notes[index]],
      overview: made.sounds[index]?.overview,
    }));
    this.shown = [...this.slots];
    for (let at = 0; at < MOST_SOUNDS; at += 1) {
      const pending = old[at] && (mine < this.wanted || old[at].error);
      const changes = this.uploading.has(at) || (mine < this.wanted && this.ordered[at]?.id !== sounds[at]?.id);
      if (old[at]?.working && changes) this.slots[at] = { ...this.slots[at], name: old[at].name, working: old[at].working };
      else if (pending && !this.slots[at]) this.slots[at] = old[at];
      else if (old[at]?.error && this.slots[at]) this.slots[at] = { ...this.slots[at], error: old[at].error };
    }
    this.show();
  }

  progress(step) {
    let changed = false;
    for (let at = 0; at < MOST_SOUNDS; at += 1) {
      const slot = this.slots[at];
      if (slot?.working !== undefined && slot.working && slot.working !== step) {
        this.slots[at] = { ...slot, working: step };
        changed = true;
      }
    }
    if (changed) this.show();
  }
}

function idsOf(sounds) {
  return sounds.map(({ id }) => id);
}

function withoutSuffix(name) {
  return name.replace(/\.[^.]*$/, "") || name;
}
