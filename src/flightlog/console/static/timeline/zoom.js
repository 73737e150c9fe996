// Which stretch of time is shown, in microseconds since the run began. The whole run until somebody looks closer.

const NARROWEST_US = 20;

/** A stretch of time inside the whole one; calls `onChange` when it becomes another. */
export class Zoom {
  min = 0; max = 1; from = 0; to = 1; whole = true;

  constructor(onChange) {
    this.onChange = onChange;
  }

  /** The whole has grown. What is looked at stays; the whole grows with it. */
  extend(min, max) {
    this.min = min;
    this.max = Math.max(max, min + NARROWEST_US);
    if (this.whole) [this.from, this.to] = [this.min, this.max];
  }

  /** Show from here to there. */
  set(from, to) {
    const width = Math.min(Math.max(to - from, NARROWEST_US), this.max - this.min);
    this.from = Math.min(Math.max(from, this.min), this.max - width);
    this.to = this.from + width;
    this.whole = width >= this.max - this.min;
    this.onChange();
  }

  /** Show all of it. */
  reset() {
    this.set(this.min, this.max);
  }

  /** Make the stretch `factor` times as long; the moment `at` keeps its place. */
  by(factor, at = (this.from + this.to) / 2) {
    this.set(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  /** Move by so many microseconds. */
  move(us) {
    const width = this.to - this.from;
    const from = Math.min(Math.max(this.from + us, this.min), this.max - width);
    this.set(from, from + width);
  }

  /** Move so that the moment is seen, if it is not. */
  show(start, end) {
    if (this.whole || (end >= this.from && start <= this.to)) return;
    const width = this.to - this.from;
    this.set(start - width / 4, start + (3 * width) / 4);
  }
}

/** Wheel with Ctrl zooms, sideways pans, dragging pans, a double click shows the whole; `plot()` says where time is drawn. */
export function zoomable(box, zoom, plot) {
  const timeAt = (x) => {
    const { left, width } = plot();
    return zoom.from + ((x - left) / width) * (zoom.to - zoom.from);
  };
  const isInside = (event) => {
    const { left, width } = plot();
    return event.clientX >= left && event.clientX <= left + width;
  };
  box.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom.by(Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY / 200))), timeAt(event.clientX));
      return;
    }
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (!zoom.whole && sideways && Math.abs(sideways) >= Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      zoom.move((sideways / plot().width) * (zoom.to - zoom.from));
    }
  }, { passive: false });

  let from = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse" && isInside(event)) from = { x: event.clientX, moved: false };
  });
  box.addEventListener("pointermove", (event) => {
    if (!from || !(event.buttons & 1)) {
      from = null;
      return;
    }
    if (!from.moved && Math.abs(event.clientX - from.x) < 4) return;
    from.moved = true;
    box.setPointerCapture(event.pointerId);
    zoom.move(((from.x - event.clientX) / plot().width) * (zoom.to - zoom.from));
    from.x = event.clientX;
  });
  // What was dragged was not clicked.
  box.addEventListener("click", (event) => {
    if (from?.moved) event.stopImmediatePropagation();
    from = null;
  }, { capture: true });
  box.addEventListener("dblclick", (event) => isInside(event) && zoom.reset());
}
