//! Reads the sound of an `audio` event: base64 of signed 16-bit little-endian samples. Knows nothing of playing.

/** Samples a second of everything that is spoken. */
export const SAMPLE_RATE = 24_000;

/**
 * The samples of one piece, from -1 to 1. None for sound in another form, or that cannot be read: such a piece is
 * silent, and the answer goes on.
 * @param {{ chunk?: unknown, encoding?: unknown, sampleRateHertz?: unknown, channels?: unknown }} audio the event's data
 * @returns {Float32Array<ArrayBuffer>}
 */
export function samplesOf({ chunk, encoding = "LINEAR16", sampleRateHertz = SAMPLE_RATE, channels = 1 }) {
  const known = encoding === "LINEAR16" && sampleRateHertz === SAMPLE_RATE && channels === 1;
  const bytes = known && typeof chunk === "string" ? decode(chunk) : "";
  const samples = new Float32Array(bytes.length >> 1); // half a sample at the end is none
  for (let at = 0; at < samples.length; at += 1) {
    const value = bytes.charCodeAt(2 * at) | (bytes.charCodeAt(2 * at + 1) << 8);
    samples[at] = ((value << 16) >> 16) / 32_768;
  }
  return samples;
}

function decode(base64) {
  try {
    return atob(base64);
  } catch {
    return "";
  }
}
