/** What the page shows of an instrument before there is an engine. */

import { readFile } from "./instrument.js";

/**
 * Return names, pitches (semitones, 69 is A4; null without one), seconds and notes of an instrument's sounds, `steady`:
 * whether each is a loop that is heard at the pitch of the key, and `hasPartials`: whether one of them is not played as
 * a recording or a loop.
 */
export function headerOf(bytes) {
  const { header } = readFile(bytes);
  return {
    names: header.sounds.map((sound) => sound.name),
    pitches: header.sounds.map((sound) => (sound.pitched ? sound.pitch : null)),
    hasPartials: header.sounds.some((sound) => sound.pitched),
    steady: header.sounds.map((sound) => sound.loop_key !== undefined),
    seconds: header.sounds.map((sound) => sound.seconds),
    notes: header.sounds.map((sound) => sound.notes || []),
  };
}
