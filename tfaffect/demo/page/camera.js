// The camera. Frames are not queued.

const REASONS = {
  NotAllowedError: "The camera was not allowed. Allow it for this page in the browser's settings, then press the button again.",
  NotFoundError: "No camera was found. Connect one, then press the button again.",
  NotReadableError: "Another program uses the camera. Close it, then press the button again.",
};

/** A camera that can be started and stopped. */
export class Camera {
  #running = false;
  #stream = null;
  #video = null;

  /** Whether the camera runs or is starting. */
  get running() {
    return this.#running;
  }

  /**
   * Start the camera.
   *
   * @returns {Promise<HTMLVideoElement | null>} The playing video; null when it was stopped before it started.
   * @throws {Error} With a message for people.
   */
  async start() {
    this.#running = true;
    let stream;
    try {
      const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      this.#running = false;
      throw new Error(REASONS[error.name] ?? `The camera could not be started: ${error.message}.`);
    }
    if (!this.#running) {
      end(stream);
      return null;
    }
    const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
    [this.#stream, this.#video] = [stream, video];
    await video.play();
    return video;
  }

  /** Yield the newest frame for each request, until the camera stops or is unplugged. */
  async *frames() {
    const [video, stream] = [this.#video, this.#stream];
    while (stream.active) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      if (stream.active && video.readyState >= video.HAVE_CURRENT_DATA) {
        yield await createImageBitmap(video);
      }
    }
  }

  /** Stop the camera. */
  stop() {
    this.#running = false;
    end(this.#stream);
    this.#stream = null;
  }
}

function end(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}
