// The page of the tests: the real SDK, and everything it calls back with, in order.
import Millis from "@millisai/web-sdk";

const CALLBACKS = [
  "onopen", "onready", "onsessionended", "onaudio", "onresponsetext", "ontranscript", "onfunction",
  "analyzer", "useraudioready", "onlatency", "onclose", "onerror", "onheard", "onagentstate",
];

class Talk {
  constructor(path = "/local/millis") {
    this.events = [];
    this.loudest = 0;
    const bridge = new URLSearchParams(location.search).get("bridge");
    this.client = Millis.createClient({ publicKey: "pk_test", endPoint: `ws://${bridge}${path}` });
    for (const name of CALLBACKS) {
      this.client.on(name, (...given) => this.note(name, given));
    }
  }

  note(name, given) {
    const about = {
      onaudio: ([audio]) => ({ bytes: audio.length }),
      analyzer: ([analyser]) => ({ kind: analyser.constructor.name }),
      useraudioready: ([{ analyser, stream }]) => ({
        kind: analyser.constructor.name,
        tracks: stream.getAudioTracks().length,
      }),
      onclose: ([event]) => ({ code: event.code, reason: event.reason }),
      onerror: ([event]) => ({ kind: event.type }),
      onready: ([payload]) => payload,
    }[name];
    if (name === "analyzer") this.measure(given[0]);
    this.events.push({ name, at: performance.now(), ...(about ? about(given) : { given }) });
  }

  // The loudest moment of what is played, from 0 to 1.
  measure(analyser) {
    const samples = new Float32Array(analyser.fftSize);
    const look = () => {
      if (analyser.context.state === "closed") return;
      analyser.getFloatTimeDomainData(samples);
      this.now = Math.max(...samples.map(Math.abs));
      this.loudest = Math.max(this.loudest, this.now);
      setTimeout(look, 20);
    };
    look();
  }

  start(agent = {}, more = {}) {
    return this.client.start({ agent, ...more });
  }

  say(text) {
    this.client.send(JSON.stringify({ method: "say", data: text }));
  }

  interrupt() {
    this.client.send(JSON.stringify({ method: "interrupt" }));
  }

  stop() {
    return this.client.stop();
  }

  of(name) {
    return this.events.filter((event) => event.name === name);
  }
}

window.Talk = Talk;
