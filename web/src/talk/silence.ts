/** A microphone that hears nothing: for those who type. The SDK does not begin without one. */

/** Run `start` while whoever asks for the microphone gets silence. */
export async function withoutMicrophone(start: () => Promise<void>): Promise<() => void> {
  const audio = new AudioContext();
  const stream = silence(audio);
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia;
  devices.getUserMedia = () => Promise.resolve(stream);
  try {
    await start();
  } finally {
    devices.getUserMedia = ask;
  }
  return () => void audio.close();
}

function silence(audio: AudioContext): MediaStream {
  const source = audio.createConstantSource();
  source.offset.value = 0;
  const stereo = audio.createMediaStreamDestination();
  source.connect(stereo);
  source.start();
  void audio.resume();
  return stereo.stream;
}
