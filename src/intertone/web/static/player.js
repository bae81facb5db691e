/** Tools of how notes are played: one at a time, which MIDI channel plays, and gestures on the pad. */

import { element } from "./cards.js";
import { Gesture, ON_MAP, ON_PAD } from "./gesture.js";
import { ALL_CHANNELS, MPE, MPE_UPPER } from "./midi.js";

const GESTURE_NAMES = { idle: "Gesture", records: "Repeat", repeats: "Stop" };
const CHANNEL = "MIDI channel that plays: all, one of them, or MPE, where every note has a channel of its own and so its own bend, pressure and place; MPE 16 is its upper zone, whose channel about all notes is 16.";
const CHANNEL_NAMES = { [ALL_CHANNELS]: "All ch.", [MPE]: "MPE", [MPE_UPPER]: "MPE 16" };

/**
 * Add the buttons Mono and Gesture.
 * @param add Adds a button to the tools: `add(id, name, sentence, act)` returns it.
 * @param state Values of the controls.
 * @param places Elements of the pad and of the map.
 * @param say Shows a sentence.
 */
export function addPlayer(add, state, places, say) {
  const sentence = "One note at a time: the last key plays, and keys that overlap glide over the time of Glide.";
  const mono = add("mono", "Mono", sentence, () => {
    state.begin();
    state.set("mono", 1 - state.values.mono);
  });
  const show = () => mono.setAttribute("aria-pressed", state.values.mono === 1);
  state.onChange((name) => name === "mono" && show());
  show();
  const repeats = "Record a movement on the pad or the map: press, move, and press again; it repeats until it is stopped.";
  const shown = () => gestures[state.values.view];
  const button = add("gesture", GESTURE_NAMES.idle, repeats, () => say(shown().press()));
  const showGesture = () => {
    const phase = shown()?.phase ?? "idle";
    button.textContent = GESTURE_NAMES[phase];
    button.setAttribute("aria-pressed", phase !== "idle");
    button.disabled = !shown(); // the codes have no place
  };
  const gestures = [];
  [ON_PAD, ON_MAP].forEach((where, view) => gestures.push(new Gesture(state, where, places[view], showGesture)));
  state.onChange((name) => name === "view" && showGesture());
  showGesture();
}

/** Add the choice of the MIDI channel to an element. */
export function addChannel(root, state, hint) {
  const select = element("select", "tool");
  select.id = "channel";
  select.title = CHANNEL;
  select.setAttribute("aria-label", "MIDI channel");
  for (let channel = ALL_CHANNELS; channel <= MPE_UPPER; channel += 1) {
    const option = element("option", "", CHANNEL_NAMES[channel] ?? `Ch. ${channel}`);
    option.value = channel;
    select.append(option);
  }
  select.addEventListener("change", () => {
    state.begin();
    state.set("channel", Number(select.value));
  });
  for (const event of ["pointerenter", "focus"]) select.addEventListener(event, () => hint(CHANNEL));
  for (const event of ["pointerleave", "blur"]) select.addEventListener(event, () => hint(""));
  const show = () => (select.value = state.values.channel);
  state.onChange((name) => name === "channel" && show());
  show();
  root.append(select);
}
