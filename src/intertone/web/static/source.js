/** Where sounds and instruments come from: the server, or the page itself when it is one file. */

import { floatWav } from "./wav.js";

/** Milliseconds from one look at a job to the next. */
const POLL_MS = 120;
const RATE = 44100;
const KEPT = "intertone.sounds"; // name in the storage of the browser's tab

function decodeBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

/**
 * A refusal: its message is one sentence; `sound` is the number of the sound that is refused, `status` the code of the
 * server's answer, or null.
 */
export class Refusal extends Error {
  constructor(text, sound = null, status = null) {
    super(text);
    this.sound = sound;
    this.status = status;
  }
}

/** Return the answer of the server. */
async function answerOf(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Refusal("The server does not answer; start intertone play again.");
  }
  if (answer.ok) return answer;
  const content = await answer.json().catch(() => ({}));
  throw new Refusal(content.error || `The server refused this with ${answer.status}.`, content.sound ?? null, answer.status);
}

async function ask(address, options) {
  return (await answerOf(address, options)).json();
}

/** Sounds, instruments and maps from the server of `intertone play`. */
export class ServerSource {
  worklets = { "worklet.js": "static/worklet.js", "recorder-worklet.js": "static/recorder-worklet.js" };
  worker = "static/prepare-worker.js";
  canAdd = true;
  hasMap = false;

  /** Return the sounds with which the page opens, and the identifier of their instrument. */
  async start() {
    const found = await ask("start");
    this.hasMap = found.map;
    return found;
  }

  /** Remember the sounds that play, so that they are still there when the page is loaded again. */
  keep(sounds) {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(sounds.map(({ id, name }) => ({ id, name }))));
    } catch {
      // the browser stores nothing: a reload begins with the first sounds
    }
  }

  /** Return the sounds that played before the page was loaded again; none in a new tab. */
  kept() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT)) || [];
      return kept.every(({ id, name }) => typeof id === "string" && typeof name === "string") ? kept : [];
    } catch {
      return [];
    }
  }

  /** Decode a file in the browser and upload it as float samples; return its identifier and name. */
  async upload(file) {
    let audio;
    try {
      audio = await new OfflineAudioContext(2, 1, RATE).decodeAudioData(await file.arrayBuffer());
    } catch {
      throw new Refusal(`A sound must be a file that this browser can decode, got ${file.name}.`);
    }
    if (audio.numberOfChannels > 2) {
      throw new Refusal(`A sound must have one or two channels, got ${audio.numberOfChannels} in ${file.name}.`);
    }
    const channels = Array.from({ length: audio.numberOfChannels }, (_, index) => audio.getChannelData(index));
    const body = floatWav(channels, audio.sampleRate);
    return ask(`sounds?name=${encodeURIComponent(file.name)}`, { method: "POST", body });
  }

  /** Ask for the instrument of some sounds; return the identifier of the job. */
  async order(sounds) {
    return (await ask("instruments", { method: "POST", body: JSON.stringify({ sounds }) })).id;
  }

  /** Wait for a job; return the instrument's bytes and what is shown of its sounds. */
  async finish(job, progress) {
    for (;;) {
      const state = await ask(`instruments/${job}`);
      if (state.state === "done") {
        const answer = await answerOf(`instruments/${job}/data`);
        return { job, bytes: await answer.arrayBuffer(), sounds: state.sounds };
      }
      if (state.state === "failed") throw new Refusal(state.error, state.sound);
      progress(state.state === "waiting" ? `${state.before + 1} before this one` : state.step);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Return the instrument of a job as one HTML file. */
  async page(job) {
    return (await answerOf(`instruments/${job}/page`)).blob();
  }
}

/** The page itself. */
export class OwnSource {
  canAdd = false;
  hasMap = false;

  constructor() {
    const content = JSON.parse(document.getElementById("content").textContent);
    this.sounds = content.sounds;
    this.worklets = content.worklets;
    this.worker = content.worker;
  }

  async start() {
    return { sounds: [], instrument: "own" };
  }

  keep() {}

  kept() {
    return [];
  }

  async finish(job) {
    return { job, bytes: decodeBase64(document.getElementById("instrument").textContent), sounds: this.sounds };
  }
}

/** Return the source of this page's instrument: the exported file itself, or the server of `intertone play`. */
export function findSource() {
  return document.getElementById("instrument") ? new OwnSource() : new ServerSource();
}
