/** The page: what it is made of, and what follows from what. */

import { Capacity } from "./capacity.js";
import { Cards } from "./cards.js";
import { NUMBERS } from "./codes.js";
import { CONTROLS, HIDDEN, PLAYING } from "./controls.js";
import { Explore } from "./explore.js";
import { buildFaders } from "./faders.js";
import { Field } from "./field.js";
import { headerOf } from "./header.js";
import { Keys } from "./keys.js";
import { askPage } from "./latest.js";
import { Library } from "./library.js";
import { Message } from "./message.js";
import { hasMidi, isAllowed, Midi, MPE } from "./midi.js";
import { keyName } from "./note.js";
import { addChannel, addPlayer } from "./player.js";
import { measureLoad } from "./probe.js";
import { download, Recorder } from "./recorder.js";
import { MOST_PARTIALS } from "./size.js";
import { NO_WORKLET, Sound, canSound } from "./sound.js";
import { findSource } from "./source.js";
import { Scope } from "./spectrogram.js";
import { State } from "./state.js";
import { tool } from "./tools.js";
import { Views } from "./views.js";

const find = (name) => document.getElementById(name);
const START = "Touch a key or press A: that switches the sound on.";
const SAVE =
  "Save what this view plays as one HTML file that needs no network: the pad's instrument, or the sound of the place on the map or of the numbers.";
const IDLE = matchMedia("(pointer: coarse)").matches
  ? "Slide over the keys: lower on a key is louder. Drag on the pad to move between the sounds."
  : "A to L play, Z and X change the octave, the space bar holds, Escape silences, arrows move on the pad.";

const source = findSource();
const state = new State([...CONTROLS, ...HIDDEN, ...PLAYING, ...NUMBERS]);
const message = new Message(find("status"), find("more"));
const say = (text) => message.say(text);
const hint = (text) => (find("hint").textContent = text || IDLE);
const sound = new Sound(source.worklets, source.worker, state, say);
const field = new Field(find("pad"), find("field"), state, () => sound.wake());
const scope = new Scope(find("scope").firstElementChild);
const chooser = find("chooser");
const cards = new Cards(find("cards"), find("corners"), source.canAdd ? choose : null);
const exploring = {
  wake: () => sound.wake(),
  play(bytes) {
    probe(bytes);
    return sound.load(bytes, { glides: true });
  },
  morph: () => library.made && sound.load(library.made.bytes, { again: true }),
  say,
  hint,
};
const explore = new Explore(find("explore"), state, exploring);
const views = new Views(state, explore, exploring);
const capacity = new Capacity((voices, partials) => sound.limit(voices, partials));
let recorder = null;
let corner = null;
let connected = null;

const playing = {
  on(key, velocity, id) {
    sound.wake();
    sound.on(key, velocity, id);
    field.wave(velocity);
    explore.wave(velocity);
  },
  off: (id) => sound.off(id),
  hold: (on) => hold(on),
  panic() {
    hold(false);
    sound.panic();
    keys.darken();
  },
  octave: (lowest) => say(`A plays ${keyName(lowest)}.`),
};
const keys = new Keys(find("keyboard"), playing);
const library = new Library(source, {
  slots: (slots) => {
    cards.set(slots);
    field.show(slots.filter((slot) => slot && slot.pitch !== undefined).map(({ name }) => name));
  },
  say,
  async instrument(made) {
    const header = headerOf(made.bytes);
    if (!views.away || !sound.made) await sound.load(made.bytes);
    explore.changed(made.job, header.names.filter((_, index) => header.pitches[index] === null && !header.steady[index]));
    const pitch = header.pitches.find((found) => found !== null);
    if (!sound.engine && pitch !== undefined) keys.centre(Math.round(pitch));
    document.title = `${header.names.join(", ")} · intertone`;
    say(sound.engine ? "" : START);
    document.body.dataset.ready = "true";
    probe(made.bytes);
    return header;
  },
});

buildFaders(find("faders"), CONTROLS, state, hint);
buildTools();
hint("");
sound.onStart((context, engine) => {
  scope.listen(context, engine.output);
  recorder = new Recorder(context, engine.output, source.worklets["recorder-worklet.js"]);
  engine.on("status", showStatus);
  engine.on("error", (error) => say(`The sound has stopped: ${error.message}.`));
  say("");
});
open();

async function open() {
  if (!canSound()) {
    say(NO_WORKLET);
    return;
  }
  try {
    const opened = await library.open();
    if (source.hasMap) views.build(find("views"));
    if (!opened) say("Drop one to four sounds on the page: they become the corners of the pad.");
  } catch (error) {
    say(error.message);
  }
}

/** Find out once how many voices this computer can play; where that fails, gaps in the sound decide alone. */
function probe(bytes) {
  if (!headerOf(bytes).hasPartials) return; // recordings and loops take hardly any time
  capacity.probe((partials) => measureLoad(bytes, source.worklets["worklet.js"], partials)).catch(() => {});
}

function showStatus({ voices, partials, underruns }) {
  capacity.watch(underruns, voices, performance.now());
  const latency = Math.round(sound.latency);
  const parts = [`${voices} ${voices === 1 ? "voice" : "voices"} of ${capacity.voices}`, `${partials} partials`];
  if (capacity.partials < MOST_PARTIALS) parts[1] += `, at most ${capacity.partials} a voice`;
  if (latency) parts.push(`output latency ${latency} ms`);
  if (underruns) parts.push(`${underruns} ${underruns === 1 ? "gap" : "gaps"}`);
  find("meter").textContent = parts.join(" · ");
}

function hold(on) {
  sound.hold(on);
  find("hold").setAttribute("aria-pressed", on);
}

function choose(at) {
  corner = at;
  chooser.click();
}

function buildTools() {
  const add = (id, name, sentence, act) => {
    const button = tool(name, sentence, hint, act);
    button.id = id;
    find("tools").append(button);
    return button;
  };
  add("octave-down", "Oct −", "Move the keyboard down by an octave; Z does the same.", () => keys.shift(-1));
  add("octave-up", "Oct +", "Move the keyboard up by an octave; X does the same.", () => keys.shift(1));
  const held = add("hold", "Hold", "Let notes sound on after their keys are let go; the space bar does the same.", () =>
    hold(held.getAttribute("aria-pressed") !== "true"));
  held.setAttribute("aria-pressed", "false");
  addPlayer(add, state, [find("pad"), explore.sky.canvas], say);
  const version = add("version", "A / B", "Change between two versions of all controls and the place on the pad.", () => {
    state.other();
    showVersion();
  });
  const showVersion = () => {
    version.dataset.version = state.version;
    version.setAttribute("aria-label", `Version ${state.version}; change to the other`);
  };
  showVersion();
  add("undo", "Undo", "Take back the last change of a control or of the place on the pad.", () => state.undo());
  add("panic", "Panic", "Silence everything; the Escape key does the same.", () => playing.panic());
  add("record", "Record", "Record what is heard, and save it as a WAV file when it is pressed again.", record);
  if (hasMidi()) {
    addMidi(add("midi", "MIDI", "Play with a MIDI keyboard; the browser asks once whether it may.", connect));
    addChannel(find("tools"), state, hint);
  }
  if (source.canAdd) {
    add("save", "Save", SAVE, savePage);
  }
}

async function addMidi(button) {
  button.setAttribute("aria-pressed", "false");
  if (await isAllowed()) connect();
}

/** Play with MIDI devices; once it does, it goes on. */
function connect() {
  connected ??= listenToMidi().catch(() => {
    connected = null;
    say("The browser did not allow MIDI devices, or found none.");
  });
}

async function listenToMidi() {
  const played = new Map();
  const handlers = {
    ...playing,
    on(key, velocity, id, own) {
      if (!sound.context) say("A MIDI key is no gesture for the browser: click once to switch the sound on.");
      keys.light(key, true);
      played.set(id, key);
      sound.on(key, velocity, id, own);
      field.wave(velocity);
    },
    express: (id, name, value) => sound.express(id, name, value),
    zone: (members) => state.set("channel", members ? MPE : 0),
    off(id) {
      if (played.has(id)) keys.light(played.get(id), false);
      played.delete(id);
      sound.off(id);
    },
    set(name, value) {
      if (name.startsWith("pad")) state.set(views.away ? name.replace("pad", "map") : name, value);
      else sound.set(name, value);
    },
    devices(names) {
      find("midi").setAttribute("aria-pressed", names.length > 0);
      say(names.length ? `MIDI: ${names.join(", ")}.` : "No MIDI device is connected; one that comes later plays at once.");
    },
  };
  await new Midi(handlers, state.values).listen();
}

async function record() {
  const button = find("record");
  if (!recorder) await sound.wake();
  if (!recorder) return; // there is no sound, and the page says why
  if (recorder.recording) {
    const blob = await recorder.stop();
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Record";
    if (blob) download(blob, "intertone.wav");
  } else {
    await recorder.start();
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop";
  }
}

/** Save what is played in the view as one file. */
async function savePage() {
  const { wanted } = views;
  if (!wanted && !library.made) {
    say("There is no instrument yet; drop a sound first.");
    return;
  }
  try {
    download(await (wanted ? askPage(wanted) : source.page(library.made.job)), "instrument.html");
  } catch (error) {
    say(`Nothing was saved: ${error.message}`);
  }
}

chooser.addEventListener("change", () => {
  take([...chooser.files], corner);
  chooser.value = "";
});

async function take(files, at) {
  if (!files.length) return;
  say(`${files.map(({ name }) => name).join(", ")}: pitch, partials and noise are being measured.`);
  await library.add(files, at);
}

if (source.canAdd) {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragged");
  });
  for (const name of ["dragleave", "drop"]) addEventListener(name, () => document.body.classList.remove("dragged"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    const card = event.target.closest?.("[data-corner]");
    take([...event.dataTransfer.files], card ? Number(card.dataset.corner) : cornerAt(event));
  });
}

/** Return the corner of the pad that a place is nearest to, or null outside the pad. */
function cornerAt(event) {
  const box = find("pad").getBoundingClientRect();
  if (!box.width) return null; // the map is shown
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  if (x < 0 || x > 1 || y < 0 || y > 1) return null;
  return (x > 0.5 ? 1 : 0) + (y > 0.5 ? 2 : 0);
}
