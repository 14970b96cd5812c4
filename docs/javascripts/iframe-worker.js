// Browsers start no Worker from a page that was opened from a folder. There the search runs in a hidden frame.
if (location.protocol === "file:") {
  const load = (frame, url) =>
    new Promise((loaded, failed) => {
      const script = frame.document.createElement("script");
      Object.assign(script, { src: url, onload: loaded, onerror: failed });
      frame.document.head.append(script);
    });

  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.element = Object.assign(document.createElement("iframe"), { hidden: true });
      this.frame = new Promise((ready) => {
        this.element.onload = async () => {
          const frame = this.element.contentWindow;
          frame.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          frame.importScripts = (...urls) => Promise.all(urls.map((each) => load(frame, each)));
          await load(frame, new URL(url, location.href).href);
          ready(frame);
        };
      });
      document.body.append(this.element);
    }

    async postMessage(data) {
      const frame = await this.frame;
      frame.dispatchEvent(new frame.MessageEvent("message", { data }));
    }

    terminate() {
      this.element.remove();
    }
  };
}
