/** How long this computer takes for a voice: the engine renders a chord without a loudspeaker, beside everything else. */

import { unpackInstrument } from "./instrument.js";
import { QUANTUM } from "./size.js";

const RATE = 44100;
const KEYS = [36, 43, 48, 52];
const MOST_MS = 200;
const SECONDS = 1; // of sound that are measured at most
const WHOLE_SECONDS = 0.3; // of sound that are measured where the rendering cannot be ended early
const WARM_SECONDS = 0.2; // of sound before, in which the engine's code is compiled
const STEP_SECONDS = 0.1; // of sound from one look at the clock to the next

/**
 * Return the share of its own time that a voice of an instrument takes.
 * @param bytes The instrument's file.
 * @param worklet Address of the engine's audio thread.
 * @param partials Of the voice, at most.
 */
export async function measureLoad(bytes, worklet, partials) {
  const probe = { instrument: unpackInstrument(bytes), keys: KEYS, partials };
  if (!("suspend" in OfflineAudioContext.prototype)) return difference(worklet, probe); // Firefox
  const { context, node } = await chord(worklet, probe, WARM_SECONDS + SECONDS + STEP_SECONDS);
  return new Promise((resolve, reject) => {
    const started = performance.now();
    let warm = 0;
    const look = (sound) => {
      const now = performance.now();
      if (sound < WARM_SECONDS + 0.5 * STEP_SECONDS) warm = now;
      else if (sound >= WARM_SECONDS + SECONDS || now - started >= MOST_MS) {
        resolve((now - warm) / 1000 / (sound - WARM_SECONDS) / KEYS.length);
        node.port.postMessage({ type: "panic" }); // what is left is silent, and takes no time
        context.resume();
        return;
      }
      pause(sound + STEP_SECONDS);
      context.resume();
    };
    const pause = (sound) => {
      context.suspend((Math.round((sound * RATE) / QUANTUM) * QUANTUM) / RATE).then(() => look(sound), reject);
    };
    pause(WARM_SECONDS);
    context.startRendering().catch(reject);
  });
}

/** Return the same, measured as the time that a longer rendering takes more than a short one. */
async function difference(worklet, probe) {
  const times = [];
  for (const seconds of [WARM_SECONDS, WARM_SECONDS + WHOLE_SECONDS]) {
    const { context } = await chord(worklet, probe, seconds);
    const started = performance.now();
    await context.startRendering();
    times.push((performance.now() - started) / 1000);
  }
  return Math.max(0, times[1] - times[0]) / WHOLE_SECONDS / KEYS.length;
}

/** Return a context of so many seconds and the node in it that plays the chord. */
async function chord(worklet, probe, seconds) {
  const context = new OfflineAudioContext(2, Math.round(RATE * seconds), RATE);
  await context.audioWorklet.addModule(worklet);
  const node = new AudioWorkletNode(context, "intertone-engine", {
    numberOfInputs: 0,
    numberOfOutputs: 1,
    outputChannelCount: [2],
    processorOptions: { voices: KEYS.length, probe },
  });
  node.connect(context.destination);
  return { context, node };
}
