//! Records inside the page what is handed to the loudspeaker: every buffer's samples, its start, and what was stopped.

/** Watches the page's sound; pass as `prepare` to ChatPage.open. */
export async function recorded(page) {
  await page.addInitScript(() => {
    const sound = { started: [], stopped: 0 };
    window.troikaSound = sound;
    const { start } = AudioBufferSourceNode.prototype;
    const { stop } = AudioScheduledSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (when = 0, ...rest) {
      sound.started.push({ when, values: this.buffer.getChannelData(0).slice() });
      return start.call(this, when, ...rest);
    };
    AudioBufferSourceNode.prototype.stop = function (...rest) {
      sound.stopped += 1;
      return stop.apply(this, rest);
    };
  });
}

/** What was played so far: whole numbers as they were sent, and the start of each piece in seconds. */
export function played(page) {
  return page.evaluate(() =>
    window.troikaSound.started.map(({ when, values }) => ({
      start: when,
      values: [...values].map((value) => Math.round(value * 32_768)),
    })),
  );
}
