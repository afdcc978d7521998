"use strict";

/* Sound as the server reads it: what the browser records or decodes becomes a WAV of one channel. */
const Sound = (() => {
  const RATE = 16000;
  const READ = /\.(wav|flac|ogg|oga|mp3)$/i;

  function wav(samples) {
    const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
    const word = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
    word(0, "RIFF");
    view.setUint32(4, 36 + 2 * samples.length, true);
    word(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, RATE, true);
    view.setUint32(28, 2 * RATE, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    word(36, "data");
    view.setUint32(40, 2 * samples.length, true);
    samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, x)) * 32767, true));
    return new Blob([view.buffer], { type: "audio/wav" });
  }

  async function decoded(blob) {
    const context = new AudioContext();
    try {
      const sound = await context.decodeAudioData(await blob.arrayBuffer());
      const length = Math.max(1, Math.ceil(sound.duration * RATE));
      const offline = new OfflineAudioContext(1, length, RATE);
      const source = offline.createBufferSource();
      source.buffer = sound;
      source.connect(offline.destination);
      source.start();
      return wav((await offline.startRendering()).getChannelData(0));
    } finally {
      context.close();
    }
  }

  /* A file that the server reads is sent as it is, any other (m4a, webm) as WAV if it decodes. */
  async function readable(file) {
    if (READ.test(file.name || "")) return file;
    try {
      return await decoded(file);
    } catch {
      return file;
    }
  }

  /* Starts recording; resolves to a function that stops it and resolves to the WAV. */
  async function record() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream);
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.start();
    return () =>
      new Promise((done, failed) => {
        recorder.onstop = () => {
          stream.getTracks().forEach((track) => track.stop());
          decoded(new Blob(parts, { type: recorder.mimeType })).then(done, failed);
        };
        recorder.stop();
      });
  }

  return { readable, record };
})();
