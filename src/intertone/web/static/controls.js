/** The controls: range, value at the start, how a value reads, and one sentence on each. */

import { isGesture } from "./gesture.js";

const percent = (value) => `${Math.round(100 * value)} %`;
const seconds = (value) => (value < 0.0995 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(value < 9.95 ? 2 : 1)} s`);
const own = (value) => (value > 0 ? seconds(value) : "own");
const touch = (value) => (value ? `${value < 0 ? "soft" : "hard"} ${percent(Math.abs(value))}` : "linear");
const ratio = (value) => (value < 0 ? "pad" : percent(value));

/** A ratio of its own begins at 0; anything below follows the pad. */
const FOLLOW = -0.05;

export const CONTROLS = [
  { name: "volume", label: "Volume", min: 0, max: 1, value: 0.8, read: percent,
    hint: "Loudness of everything that sounds." },
  { name: "attack", label: "Attack", min: 0, max: 2, value: 0, curve: 3, read: own,
    hint: "Time in which a note fades in; at the bottom it has the attack of the sounds." },
  { name: "decay", label: "Decay", min: 0.01, max: 8, value: 0.5, curve: 3, read: seconds,
    hint: "Time in which a held note falls to the level of Sustain." },
  { name: "sustain", label: "Sustain", min: 0, max: 1, value: 1, read: percent,
    hint: "Level at which a held note stays after Decay." },
  { name: "release", label: "Release", min: 0, max: 4, value: 0, curve: 3, read: own,
    hint: "Time in which a note fades when its key is let go; at the bottom it has the release of the sounds." },
  { name: "harmonics", label: "Harmonics", min: FOLLOW, max: 1, value: FOLLOW, read: ratio,
    hint: "Ratio of the partials between the first and the second sound; at the bottom they follow the pad." },
  { name: "noise", label: "Noise", min: FOLLOW, max: 1, value: FOLLOW, read: ratio,
    hint: "Ratio of breath, bow and pick between the first and the second sound; at the bottom it follows the pad." },
  { name: "envelope", label: "Envelope", min: FOLLOW, max: 1, value: FOLLOW, read: ratio,
    hint: "Ratio of the loudness over time between the first and the second sound; at the bottom it follows the pad." },
  { name: "register", label: "Register", min: 0, max: 2, value: 1, read: percent,
    hint: "How much the network changes the timbre from low keys to high ones, as instruments do." },
  { name: "glide", label: "Glide", min: 0, max: 2, value: 0, curve: 3, read: seconds,
    hint: "Time in which the pitch moves from one key to the next." },
  { name: "touch", label: "Touch", min: -1, max: 1, value: 0, step: 0.02, read: touch,
    hint: "How hard a MIDI key is struck for a loud note: in the middle as it comes, below with less force, above with more." },
  { name: "tune", label: "Tuning", min: 415, max: 466, value: 440, step: 0.5, read: (value) => `A ${value.toFixed(1)}`,
    hint: "Frequency of the key A4, in Hz." },
];

/** What follows a MIDI keyboard, one note at a time, and the gestures that move the places on the pad and the map. */
export const PLAYING = [
  { name: "mono", min: 0, max: 1, step: 1, value: 0 },
  { name: "channel", min: 0, max: 18, step: 1, value: 0 },
  { name: "gesture", value: "", admits: isGesture },
  { name: "gestureMap", value: "", admits: isGesture },
];

/** Values without a fader: the places on the pad and on the map, and which view is shown (0: the pad). */
export const HIDDEN = [
  { name: "padX", min: 0, max: 1, value: 0.5 },
  { name: "padY", min: 0, max: 1, value: 0.5 },
  { name: "mapX", min: 0, max: 1, value: 0.5 },
  { name: "mapY", min: 0, max: 1, value: 0.5 },
  { name: "view", min: 0, max: 3, value: 0, step: 1 },
];
