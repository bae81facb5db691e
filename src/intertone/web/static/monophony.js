// Keys that are down while one note sounds at a time: the last one plays, and those before it come back.

export class Monophony {
  constructor() {
    this.on = false;
    this.down = [];
  }

  // Play one note at a time, or all; keys that are down are forgotten.
  switch(on) {
    this.on = on;
    this.down.length = 0;
  }

  // Take a key that goes down and has to wait, as while the instrument changes; `note` is as for `noteOn`.
  wait(note) {
    this.down.push(note);
  }

  // Take a key that goes up while notes wait; return the note that waits in its place, or null.
  drop(id) {
    const last = this.down.at(-1);
    this.down = this.down.filter((one) => one.id !== id);
    return last?.id === id && this.down.length ? this.down.at(-1) : null;
  }

  // Take a key that goes down; return the voice that goes on with it, or null where a new one has to begin.
  press(voices, note) {
    const { key, id } = note;
    const voice = this.down.length ? sounding(voices) : null;
    this.down.push(note);
    if (voice) lead(voice, key, id);
    else for (const other of voices) if (other.active) other.steal();
    return voice;
  }

  // Take a key that goes up; return whether a voice goes on with the key before it.
  lift(voices, id) {
    const at = this.down.findIndex((one) => one.id === id);
    if (at < 0) return false;
    this.down.splice(at, 1);
    const voice = sounding(voices);
    if (!this.down.length || voice?.id !== id) return false;
    const last = this.down[this.down.length - 1];
    lead(voice, last.key, last.id);
    return true;
  }
}

// Return the voice whose key is down, or null.
function sounding(voices) {
  for (const voice of voices) if (voice.active && voice.keyDown && voice.gateStep === 0) return voice;
  return null;
}

// Let a voice go on with another key: it glides there, and its attack is not repeated.
function lead(voice, key, id) {
  voice.target = key;
  voice.id = id;
}
