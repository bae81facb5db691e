// How much an instrument and a voice may hold, and a unit.

export const MOST_SOUNDS = 4;
export const MOST_VOICES = 16; // that sound at once
export const MOST_PARTIALS = 640; // of a channel
export const QUANTUM = 128; // samples that are rendered at a time
export const TO_NEPER = Math.LN10 / 20; // times dB: the logarithm of an amplitude
