// Videos in, the same frame of each out: in step while they play, exact while they stand.

const PATIENCE_MS = 4000; // a video that answers no seek must not hold up the others
const DRIFT_NUDGE = 0.1; // frames; beyond this a follower plays a little faster or slower
const DRIFT_REGROUP = 4; // frames; beyond this all videos stop and meet again
const REGROUP_REST_MS = 1500; // a slow machine would otherwise do nothing but seek

class Deck {
  // `show(frame)` hears of every new frame, `tell(playing)` of play and pause.
  constructor(show, tell) {
    this.show = show;
    this.tell = tell;
    this.active = [];
    this.playing = false;
    this.rate = 1;
    this.frame = 0;
    this.wanted = null;
    this.chasing = null;
    this.watch = 0;
    this.regrouped = 0;
  }

  load(fps, frames) {
    this.halt();
    this.active = [];
    this.playing = false;
    this.fps = fps;
    this.frames = frames;
    this.frame = 0;
    this.tell(false);
  }

  // The first video that can be played leads; the others follow it.
  activate(videos) {
    this.halt();
    this.active = videos;
    return this.seek(this.frame);
  }

  play() {
    if (this.playing || this.frames < 2) return;
    this.playing = true;
    this.tell(true);
    this.seek(this.frame >= this.frames - 1 ? 0 : this.frame);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.tell(false);
    this.seek(this.frame);
  }

  setRate(rate) {
    this.rate = rate;
    for (const video of this.active) video.playbackRate = rate;
  }

  step(frames) {
    this.pause();
    return this.seek((this.frame + frames + this.frames) % this.frames);
  }

  // Resolves when every active video shows the frame. Seeks that come in meanwhile are not queued:
  // only the last one counts, so that a drag never lags behind the pointer.
  seek(frame) {
    this.frame = Math.min(Math.max(frame, 0), this.frames - 1);
    this.wanted = this.frame;
    this.show(this.frame);
    this.chasing ??= this.chase();
    return this.chasing;
  }

  async chase() {
    this.halt();
    while (this.wanted !== null) {
      const seconds = (this.wanted + 0.5) / this.fps; // the middle of the frame: never between two
      this.wanted = null;
      await Promise.all(this.active.map((video) => showAt(video, seconds)));
    }
    this.chasing = null;
    this.show(this.frame);
    if (this.playing) this.run();
  }

  halt() {
    this.watch += 1;
    for (const video of this.active) video.pause();
  }

  run() {
    const watch = ++this.watch;
    const leader = this.active.find((video) => !video.error);
    if (!leader) return;
    for (const video of this.active) {
      video.playbackRate = this.rate;
      video.play().catch(() => {}); // an interrupted play() is no error: the next seek follows
    }
    const onFrame = (frame) => {
      if (watch !== this.watch) return;
      this.frame = Math.min(Math.max(frame, 0), this.frames - 1);
      this.show(this.frame);
      if (leader.ended) this.seek(0);
      else if (!this.correct(leader)) this.next(leader, onFrame);
    };
    leader.onended = () => watch === this.watch && this.seek(0);
    this.next(leader, onFrame);
  }

  next(leader, onFrame) {
    if ("requestVideoFrameCallback" in leader) {
      leader.requestVideoFrameCallback((_, seen) => onFrame(Math.round(seen.mediaTime * this.fps)));
    } else {
      requestAnimationFrame(() => onFrame(Math.floor(leader.currentTime * this.fps)));
    }
  }

  // Returns whether the videos had to meet again.
  correct(leader) {
    for (const video of this.active) {
      if (video === leader || video.error) continue;
      const drift = (video.currentTime - leader.currentTime) * this.fps;
      const rested = performance.now() - this.regrouped > REGROUP_REST_MS;
      if (Math.abs(drift) > DRIFT_REGROUP && rested && !video.ended) {
        this.regrouped = performance.now();
        this.seek(this.frame);
        return true;
      }
      const nudge = Math.abs(drift) > DRIFT_NUDGE ? Math.min(Math.max(drift * 0.1, -0.25), 0.25) : 0;
      const rate = this.rate * (1 - nudge);
      if (video.playbackRate !== rate) video.playbackRate = rate;
    }
    return false;
  }
}

function showAt(video, seconds) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      for (const name of ["seeked", "error"]) video.removeEventListener(name, done);
      video.removeEventListener("loadedmetadata", go);
      resolve();
    };
    const go = () => {
      const there = Math.abs(video.currentTime - seconds) < 1e-4;
      if (there && !video.seeking && video.readyState >= 2) return done();
      video.addEventListener("seeked", done);
      video.currentTime = seconds;
    };
    const timer = setTimeout(done, PATIENCE_MS);
    if (video.error) return done();
    video.addEventListener("error", done);
    if (video.readyState >= 1) return go();
    video.addEventListener("loadedmetadata", go);
    video.preload = "auto";
  });
}
