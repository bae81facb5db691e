// The thread in which instruments are made ready: a message with a file is answered by an instrument or by a sentence.

import { prepared } from "./prepare.js";

self.onmessage = ({ data: bytes }) => {
  try {
    self.postMessage({ instrument: prepared(bytes) });
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
