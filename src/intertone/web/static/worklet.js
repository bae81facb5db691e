// The engine in an AudioWorklet: parameters by name, and messages for notes and instruments only.

import { restoreGains } from "./loudness.js";
import { QUANTUM } from "./size.js";
import { PARAMETERS, Synthesiser } from "./synthesiser.js";

class EngineProcessor extends AudioWorkletProcessor {
  static get parameterDescriptors() {
    return PARAMETERS.map(([name, defaultValue, minValue, maxValue]) => ({
      name,
      defaultValue,
      minValue,
      maxValue,
      automationRate: "k-rate",
    }));
  }

  constructor({ processorOptions = {} } = {}) {
    super();
    this.synthesiser = new Synthesiser(sampleRate, processorOptions);
    this.wanted = Object.fromEntries(PARAMETERS.map(([name, value]) => [name, value]));
    this.left = new Float32Array(QUANTUM);
    this.right = new Float32Array(QUANTUM);
    this.expected = -1;
    this.port.onmessage = ({ data }) => this.answer(data);
    if (processorOptions.probe) this.probe(processorOptions.probe);
  }

  // Play a chord from the beginning on, so that the time which it takes can be measured.
  probe({ instrument, keys, partials }) {
    this.synthesiser.setInstrument(instrument);
    this.synthesiser.setLimits(keys.length, partials);
    for (const key of keys) this.synthesiser.noteOn(key, 1, key);
  }

  answer(data) {
    const { synthesiser } = this;
    if (data.type === "noteOn") synthesiser.noteOn(data.key, data.velocity, data.id, data.own);
    else if (data.type === "noteOff") synthesiser.noteOff(data.id);
    else if (data.type === "sustain") synthesiser.sustain(data.down);
    else if (data.type === "panic") synthesiser.panic();
    else if (data.type === "express") synthesiser.express(data.id, data.name, data.value);
    else if (data.type === "mono") synthesiser.setMono(data.on);
    else if (data.type === "limits") synthesiser.setLimits(data.voices, data.partials);
    else if (data.type === "status") this.port.postMessage({ type: "status", ...synthesiser.status() });
    else if (data.type === "load") {
      restoreGains(data.instrument);
      if (data.instrument.glides) synthesiser.glideTo(data.instrument);
      else synthesiser.setInstrument(data.instrument, data.again);
      this.port.postMessage({ type: "loaded", ticket: data.ticket });
    }
  }

  process(_, outputs, parameters) {
    const { wanted, left, right, synthesiser } = this;
    if (this.expected >= 0 && currentFrame > this.expected) synthesiser.underruns++;
    const output = outputs[0];
    const samples = output[0].length;
    this.expected = currentFrame + samples;
    if (!synthesiser.instrument) return true;
    for (let at = 0; at < PARAMETERS.length; at++) {
      const name = PARAMETERS[at][0];
      wanted[name] = parameters[name][0];
    }
    for (let first = 0; first < samples; first += QUANTUM) {
      synthesiser.process(left, right, wanted);
      output[0].set(left, first);
      if (output.length > 1) output[1].set(right, first);
    }
    return true;
  }
}

registerProcessor("intertone-engine", EngineProcessor);
