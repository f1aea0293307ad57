// SPDX-License-Identifier: GPL-2.0
//
// Charts of the page. Counters come as differences (see page/data.rs) and are added up here; rates are differences of two
// points over the time between them.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const PAGE_BYTES = 4096;
  const MARGIN = { top: 8, right: 12, bottom: 26, left: 62 };
  const TIP_ROWS = 12;
  const HOUR = 3600;
  const LONG = 2 * HOUR;
  // Lines that are all marked under the cursor; of more, those in the tip are.
  const MARKED = 40;

  // Colours in oklch, the lightness and chroma of which the style sheet sets for light and dark: hues of neighbours far
  // apart. Dashes tell lines apart that share a hue for some eyes.
  const HUES = [250, 55, 160, 345, 95, 210, 305, 25];
  const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
  const colour = (index) =>
    index < 0
      ? "var(--ink)"
      : `oklch(var(--light) var(--chroma) ${index < HUES.length ? HUES[index] : (index * 137.5) % 360})`;
  const dash = (index) => (index < 0 ? "" : DASHES[Math.floor(index / 2) % DASHES.length]);

  // ------------------------------------------------------------------ numbers

  // Adding 0 makes a 0 of a -0.
  const grouped = (value, decimals) =>
    (value + 0).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const count = (value) => grouped(value, 0);
  const significant = (value) => {
    const size = Math.abs(value);
    return grouped(value, size === 0 || size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4);
  };
  const shortened = (value, step, largest) => {
    const [divisor, suffix] = largest >= 1e6 ? [1e6, "M"] : largest >= 1e4 ? [1e3, "k"] : [1, ""];
    const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(step / divisor) + 1e-9)));
    const exact = Math.abs((step / divisor) * 10 ** decimals - Math.round((step / divisor) * 10 ** decimals)) < 1e-6;
    return value === 0 ? "0" : grouped(value / divisor, exact ? decimals : decimals + 1) + suffix;
  };

  const accumulate = (differences, scale = 1) => {
    const column = new Float64Array(differences.length);
    let sum = 0;
    differences.forEach((difference, index) => {
      sum += difference;
      column[index] = sum * scale;
    });
    return column;
  };

  // First index whose value is not below the wanted one.
  const search = (column, wanted) => {
    let [low, high] = [0, column.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (column[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  // The `most` first elements in the order of `before`, which a sort of all would have: in one pass, since there may be thousands.
  const first = (list, most, before) => {
    const kept = [];
    for (const one of list) {
      if (kept.length === most && !before(one, kept[most - 1])) continue;
      let place = kept.length;
      while (place > 0 && before(one, kept[place - 1])) place--;
      kept.splice(place, 0, one);
      if (kept.length > most) kept.pop();
    }
    return kept;
  };

  const ticks = (from, to, wanted) => {
    const least = (to - from) / Math.max(1, wanted);
    const power = 10 ** Math.floor(Math.log10(least));
    const step = power * ([1, 2, 5].find((digit) => least / power <= digit + 1e-9) ?? 10);
    const values = [];
    for (let at = Math.ceil(from / step - 1e-9); at * step <= to + step * 1e-9; at++) values.push(at * step + 0);
    return { step, values };
  };

  // ------------------------------------------------------------------ elements

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const shape = (parent, name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };

  // Buttons of which one is pressed.
  const choice = (name, options, chosen) => {
    const group = element("div", { class: "choice", role: "group", "aria-label": name });
    for (const [key, text] of options) {
      const button = element("button", { type: "button", "aria-pressed": String(key === options[0][0]) }, text);
      button.addEventListener("click", () => {
        for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
        chosen(key);
      });
      group.append(button);
    }
    return group;
  };

  // ------------------------------------------------------------------ view

  // What charts above each other share: the part of the horizontal scale that is shown, the cursor, the hidden lines.
  class View {
    constructor(full) {
      this.full = full;
      this.range = full;
      this.cursor = null;
      this.hidden = new Set();
      this.raised = null;
      this.charts = [];
      this.frame = 0;
      this.cursorFrame = 0;
    }

    zoom(from, to) {
      const least = (this.full[1] - this.full[0]) * 1e-4;
      if (to - from < least) {
        const middle = (from + to) / 2;
        [from, to] = [middle - least / 2, middle + least / 2];
      }
      const width = Math.min(to - from, this.full[1] - this.full[0]);
      from = Math.max(this.full[0], Math.min(from, this.full[1] - width));
      this.range = [from, from + width];
      this.redraw();
    }

    scale(factor, around = this.cursor ?? (this.range[0] + this.range[1]) / 2) {
      const [from, to] = this.range;
      this.zoom(around - (around - from) * factor, around + (to - around) * factor);
    }

    reset() {
      this.range = this.full;
      this.redraw();
    }

    redraw() {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.charts.forEach((chart) => chart.draw()));
    }

    // Pointers move more often than frames are shown.
    point(at) {
      this.cursor = at;
      cancelAnimationFrame(this.cursorFrame);
      this.cursorFrame = requestAnimationFrame(() => this.charts.forEach((chart) => chart.drawCursor()));
    }

    raise(key) {
      this.raised = key;
      this.charts.forEach((chart) => chart.raise());
    }
  }

  // ------------------------------------------------------------------ chart

  // One pair of axes. `series()` gives lines: {key, name, index, x, y, stepped}; stepped values hold since the point before.
  class Chart {
    constructor(view, options) {
      this.view = view;
      this.options = options;
      this.series = options.series();
      this.height = options.height ?? 220;
      this.root = element("figure", { class: "chart", "data-chart": options.key });
      this.unit = element("span", { class: "unit" }, options.unit);
      const head = element("h3", {}, options.title, this.unit);
      if (options.kinds?.length > 1) head.append(choice(options.title, options.kinds, (kind) => this.choose(kind)));
      this.plot = element("div", { class: "plot" });
      this.tip = element("div", { class: "tip", hidden: "" });
      this.heard = element("div", { class: "heard", "aria-live": "polite" });
      this.root.append(head, this.plot);
      view.charts.push(this);
      new ResizeObserver(() => this.draw()).observe(this.plot);
    }

    choose(kind) {
      this.series = this.options.series(kind);
      this.draw();
      this.drawCursor();
    }

    get shown() {
      return this.series.filter((line) => !this.view.hidden.has(line.key));
    }

    // Indices of the points of a line that are in sight, and one beyond on each side.
    window(line) {
      const [from, to] = this.view.range;
      return [Math.max(0, search(line.x, from) - 1), Math.min(line.x.length, search(line.x, to) + 1)];
    }

    x(value) {
      const [from, to] = this.view.range;
      return MARGIN.left + ((value - from) / (to - from)) * (this.width - MARGIN.left - MARGIN.right);
    }

    y(value) {
      return this.height - MARGIN.bottom - (value / this.highest) * (this.height - MARGIN.top - MARGIN.bottom);
    }

    at(pixel) {
      const [from, to] = this.view.range;
      const at = from + ((pixel - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * (to - from);
      return Math.max(from, Math.min(to, at));
    }

    draw() {
      this.width = this.plot.clientWidth;
      if (this.width < 50) return;
      const focused = this.svg !== undefined && document.activeElement === this.svg;
      const lines = this.shown;
      let highest = 0;
      for (const line of lines) {
        const [first, last] = this.window(line);
        for (let index = first; index < last; index++) highest = Math.max(highest, line.y[index]);
      }
      const vertical = ticks(0, highest > 0 ? highest : 1, this.height / 50);
      this.highest = Math.ceil((highest > 0 ? highest * 1.02 : 1) / vertical.step) * vertical.step;
      const svg = document.createElementNS(SVG, "svg");
      const names = {
        viewBox: `0 0 ${this.width} ${this.height}`,
        height: this.height,
        tabindex: 0,
        role: "application",
        "aria-roledescription": "chart",
        "aria-label": `${this.options.title}, ${this.options.unit}, ${lines.length} lines. Arrow keys read values.`,
      };
      for (const [key, value] of Object.entries(names)) svg.setAttribute(key, value);
      this.drawGrid(svg, vertical);
      const clip = `clip-${(Chart.count = (Chart.count ?? 0) + 1)}`;
      const inside = { x: MARGIN.left, y: 0, width: this.width - MARGIN.left - MARGIN.right, height: this.height };
      shape(shape(svg, "clipPath", { id: clip }), "rect", inside);
      const layer = shape(svg, "g", { "clip-path": `url(#${clip})` });
      for (const line of lines) this.drawLine(layer, line);
      if (lines.length === 0) {
        const middle = { class: "empty", x: this.width / 2, y: this.height / 2, "text-anchor": "middle" };
        shape(svg, "text", middle, this.series.length ? "All lines are switched off" : (this.options.nothing ?? "No data"));
      }
      // The cursor has a layer of its own: the lines below are not painted again when it moves.
      this.over = document.createElementNS(SVG, "svg");
      const layerOf = { viewBox: names.viewBox, height: this.height, class: "over", "aria-hidden": "true" };
      for (const [key, value] of Object.entries(layerOf)) this.over.setAttribute(key, value);
      this.listen(svg);
      this.svg = svg;
      this.layer = layer;
      this.plot.replaceChildren(svg, this.over, this.tip, this.heard);
      this.raise();
      if (focused) svg.focus();
      this.drawCursor();
    }

    drawGrid(svg, vertical) {
      const bottom = this.height - MARGIN.bottom;
      for (let value = 0; value <= this.highest * (1 + 1e-9); value += vertical.step) {
        const y = this.y(value);
        const across = { x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y };
        shape(svg, "line", { class: value === 0 ? "frame" : "grid", ...across });
        const place = { x: MARGIN.left - 7, y: y + 4, "text-anchor": "end" };
        shape(svg, "text", place, shortened(value, vertical.step, this.highest));
      }
      // A long time is labelled in hours.
      const [from, to] = this.view.range;
      const unit = !this.options.places && to > LONG ? HOUR : 1;
      const { values, step } = this.options.places
        ? { values: this.options.places, step: 1 }
        : ticks(from / unit, to / unit, this.width / 90);
      for (const number of values) {
        const value = number * unit;
        const x = this.x(value);
        shape(svg, "line", { class: "grid", x1: x, x2: x, y1: MARGIN.top, y2: bottom });
        const label = grouped(number, Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9))));
        const symbol = this.options.places ? "" : unit === HOUR ? " h" : " s";
        shape(svg, "text", { x, y: bottom + 17, "text-anchor": "middle" }, label + symbol);
      }
    }

    drawLine(layer, line) {
      const [first, last] = this.window(line);
      if (last <= first) return;
      const path = [];
      const put = (letter, value, height) => path.push(`${letter}${this.x(value).toFixed(1)} ${this.y(height).toFixed(1)}`);
      for (let index = first; index < last; index++) {
        if (line.stepped && index > 0) {
          put(path.length ? "L" : "M", line.x[index - 1], line.y[index]);
        }
        put(path.length ? "L" : "M", line.x[index], line.y[index]);
      }
      const looks = {
        class: `line${line.index < 0 ? " sum" : ""}`,
        d: path.join(""),
        "data-series": line.key,
        "stroke-dasharray": dash(line.index),
        style: `stroke:${colour(line.index)}`,
      };
      shape(layer, "path", looks);
      if (!this.options.places) return;
      for (let index = first; index < last; index++) {
        const dot = { cx: this.x(line.x[index]), cy: this.y(line.y[index]), r: 3.5, style: `fill:${colour(line.index)}` };
        shape(layer, "circle", dot);
      }
    }

    // Fades all lines but the one that is raised, if there is one.
    raise() {
      if (!this.layer) return;
      const { raised } = this.view;
      this.layer.classList.toggle("dim", raised !== null);
      this.layer.querySelectorAll(".raised").forEach((line) => line.classList.remove("raised"));
      if (raised !== null) {
        this.layer.querySelectorAll(`[data-series="${raised}"]`).forEach((line) => line.classList.add("raised"));
      }
    }

    // The point of a line that is read at `at`: the nearest one, or of a stepped line the one whose value holds there.
    read(line, at) {
      if (line.x.length === 0) return null;
      let index = Math.min(search(line.x, at), line.x.length - 1);
      if (!line.stepped && index > 0 && at - line.x[index - 1] < line.x[index] - at) index--;
      const spare = (this.view.full[1] - this.view.full[0]) * 1e-9;
      const beyond = line.stepped && (at > line.x[line.x.length - 1] + spare || index === 0);
      return beyond ? null : { line, x: line.x[index], y: line.y[index] };
    }

    drawCursor() {
      if (!this.over) return;
      this.over.replaceChildren();
      const at = this.view.cursor;
      if (this.selection) {
        const [from, to] = [...this.selection].sort((a, b) => a - b);
        const area = { class: "selection", x: from, width: to - from, y: MARGIN.top, height: this.height - MARGIN.top - MARGIN.bottom };
        shape(this.over, "rect", area);
      }
      if (at === null || at < this.view.range[0] || at > this.view.range[1]) {
        this.tip.hidden = true;
        return;
      }
      const x = this.x(at);
      shape(this.over, "line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: this.height - MARGIN.bottom });
      const points = this.shown.map((line) => this.read(line, at)).filter((point) => point !== null);
      const before = (a, b) => (a.line.index < 0) > (b.line.index < 0) || ((a.line.index < 0) === (b.line.index < 0) && a.y > b.y);
      const told = first(points, TIP_ROWS, before);
      for (const { line, x: value, y } of points.length > MARKED ? told : points) {
        if (value < this.view.range[0] || value > this.view.range[1] + 1e-12) continue;
        const where = line.stepped ? x : this.x(value);
        shape(this.over, "circle", { cx: where, cy: this.y(y), r: 3.5, style: `fill:${colour(line.index)}` });
      }
      if (this.pointed) this.drawTip(at, told, points.length - told.length);
      else this.tip.hidden = true;
    }

    drawTip(at, points, others) {
      const write = this.options.write;
      const where = this.options.places ? `N = ${points[0]?.x ?? ""}` : `${at.toFixed(3)} s`;
      const table = element("table", {});
      for (const { line, x, y } of points) {
        const swatch = element("span", { class: "swatch", style: `background:${colour(line.index)}` });
        const attributes = { "data-series": line.key, "data-x": x, "data-value": y };
        table.append(element("tr", attributes, element("td", {}, swatch, line.name), element("td", {}, write(y))));
      }
      this.tip.replaceChildren(element("strong", {}, where), table);
      if (others > 0) this.tip.append(`and ${others} more`);
      this.tip.hidden = false;
      const x = this.x(at);
      const left = x + 16 + this.tip.offsetWidth > this.width ? x - 16 - this.tip.offsetWidth : x + 16;
      this.tip.style.left = `${Math.max(0, left)}px`;
      this.tip.style.top = `${MARGIN.top}px`;
      if (this.spoken) {
        const values = points.map(({ line, y }) => `${line.name} ${write(y)}`);
        this.heard.textContent = `${where}: ${values.join(", ")}`;
      }
    }

    listen(svg) {
      const pixel = (event) => event.clientX - svg.getBoundingClientRect().left;
      const zooms = !this.options.places;
      svg.addEventListener("pointermove", (event) => {
        this.pointed = true;
        this.spoken = false;
        if (this.selection) this.selection[1] = Math.max(MARGIN.left, Math.min(this.width - MARGIN.right, pixel(event)));
        this.point(this.at(pixel(event)));
      });
      svg.addEventListener("pointerleave", () => {
        this.pointed = false;
        if (!this.selection) this.view.point(null);
      });
      svg.addEventListener("pointerdown", (event) => {
        if (!zooms || event.button !== 0) return;
        svg.setPointerCapture(event.pointerId);
        const start = Math.max(MARGIN.left, Math.min(this.width - MARGIN.right, pixel(event)));
        this.selection = [start, start];
      });
      const end = () => {
        const selection = this.selection;
        this.selection = null;
        if (!selection) return;
        const [from, to] = selection.sort((a, b) => a - b);
        if (to - from > 5) this.view.zoom(this.at(from), this.at(to));
        else this.drawCursor();
      };
      svg.addEventListener("pointerup", end);
      svg.addEventListener("pointercancel", end);
      svg.addEventListener("dblclick", () => this.view.reset());
      svg.addEventListener("wheel", (event) => {
        if (!zooms || !event.ctrlKey) return;
        event.preventDefault();
        this.view.scale(event.deltaY > 0 ? 1.25 : 0.8, this.at(pixel(event)));
      }, { passive: false });
      svg.addEventListener("keydown", (event) => this.key(event));
      svg.addEventListener("blur", () => {
        this.pointed = false;
        this.view.point(null);
      });
    }

    // Moves the cursor; on a chart with few places, to the nearest of them.
    point(at) {
      if (this.options.places) {
        at = this.options.places.reduce((best, place) => (Math.abs(place - at) < Math.abs(best - at) ? place : best));
      }
      this.view.point(at);
    }

    key(event) {
      const { view } = this;
      const [from, to] = view.range;
      const move = (direction) => {
        this.pointed = true;
        this.spoken = true;
        this.point(this.neighbour(view.cursor ?? from, direction));
      };
      const pan = (part) => view.zoom(from + (to - from) * part, to + (to - from) * part);
      const actions = {
        ArrowRight: () => (event.shiftKey ? pan(0.2) : move(1)),
        ArrowLeft: () => (event.shiftKey ? pan(-0.2) : move(-1)),
        Home: () => { this.pointed = this.spoken = true; this.point(from); },
        End: () => { this.pointed = this.spoken = true; this.point(to); },
        "+": () => view.scale(0.5),
        "=": () => view.scale(0.5),
        "-": () => view.scale(2),
        0: () => view.reset(),
        Escape: () => { this.pointed = false; view.point(null); },
      };
      const action = event.ctrlKey || event.altKey || event.metaKey ? undefined : actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    }

    // The next point of any shown line, a hundredth of the width away at least.
    neighbour(at, direction) {
      const [from, to] = this.view.range;
      if (this.options.places) {
        const places = this.options.places;
        const here = places.findIndex((place) => place >= at - 1e-9);
        return places[Math.max(0, Math.min(places.length - 1, here + (this.view.cursor === null ? 0 : direction)))];
      }
      const wanted = at + (direction * (to - from)) / 100;
      const line = this.shown[0];
      if (!line) return wanted;
      const index = Math.max(0, Math.min(line.x.length - 1, search(line.x, wanted) - (direction < 0 ? 1 : 0)));
      return Math.max(from, Math.min(to, line.x[index]));
    }
  }

  // ------------------------------------------------------------------ a study

  const decode = (run) =>
    run.series.map((series, place) => ({
      key: `s${place}`,
      name: series.name,
      index: series.sum ? -1 : place - 1,
      start: series.start_us / 1e6,
      time: accumulate(series.time_us).map((us) => us / 1e6),
      lengths: series.length_us.map((us) => us / 1e6),
      minor: accumulate(series.minor),
      major: accumulate(series.major),
      cpu_s: accumulate(series.cpu_ns).map((ns) => ns / 1e9),
      resident: accumulate(series.resident, PAGE_BYTES / 2 ** 20),
      swapped: accumulate(series.swapped, PAGE_BYTES / 2 ** 20),
      waited: series.waited_ns.map((column) => accumulate(column).map((ns) => ns / 1e9)),
    }));

  const FAULTS = [["total", "minor + major"], ["minor", "minor"], ["major", "major"]];
  const faults = (line, kind) => (kind === "total" ? line.minor.map((minor, index) => minor + line.major[index]) : line[kind]);

  // A growing sum, from zero at the registration.
  const growing = (line, column) => ({
    ...line,
    x: Float64Array.of(line.start, ...line.time),
    y: Float64Array.of(0, ...column),
  });
  // Its growth per second, in steps. An interval of less than half the nominal length is counted with its neighbour, as in
  // processes.rs.
  const rate = (line, column, nominal, scale = 1) => {
    const ends = [line.start];
    const steps = [{ length: Infinity, growth: 0 }];
    let [time, value] = [line.start, 0];
    line.time.forEach((now, index) => {
      const step = { length: line.lengths[index] ?? now - time, growth: column[index] - value };
      const last = steps[steps.length - 1];
      if (steps.length > 1 && Math.min(step.length, last.length) < nominal / 2) {
        last.length += step.length;
        last.growth += step.growth;
        ends[ends.length - 1] = now;
      } else {
        steps.push(step);
        ends.push(now);
      }
      [time, value] = [now, column[index]];
    });
    const y = steps.map((step) => (step.growth / Math.max(step.length, 1e-6)) * scale);
    return { ...line, x: Float64Array.from(ends), y: Float64Array.from(y), stepped: true };
  };

  const runCharts = (run, lines, view) => {
    const parts = lines.filter((line) => line.index >= 0);
    const charts = [
      { key: "faults", title: "Accumulated page faults", unit: "count", write: count, kinds: FAULTS, height: 300,
        series: (kind = "total") => lines.map((line) => growing(line, faults(line, kind))) },
      { key: "rate", title: "Fault rate", unit: "page faults per second", write: significant, kinds: FAULTS,
        series: (kind = "total") => lines.map((line) => rate(line, faults(line, kind), run.nominal_s)) },
      { key: "cpu", title: "CPU utilisation", unit: run.cpus ? `% of one CPU, of ${run.cpus}` : "% of one CPU", write: (y) => `${grouped(y, 2)} %`,
        series: () => lines.map((line) => rate(line, line.cpu_s, run.nominal_s, 100)) },
      { key: "memory", title: "Memory", unit: "MiB", write: (y) => `${grouped(y, 1)} MiB`,
        kinds: [["resident", "resident"], ["swapped", "in swap"]],
        series: (kind = "resident") => parts.map((line) => ({ ...line, x: line.time, y: line[kind] })) },
      { key: "waited", title: "Time waited", unit: "s, accumulated", write: (y) => `${grouped(y, 3)} s`, kinds: run.waits,
        nothing: `The kernel did not count it: delay accounting ${run.delays ?? "off"}`,
        series: (kind = run.waits[0]?.[0]) => {
          const place = run.waits.findIndex(([key]) => key === kind);
          return place < 0 ? [] : parts.map((line) => growing(line, line.waited[place]));
        } },
    ];
    // A file of sums has neither.
    const shown = charts.filter(({ key }) => parts.length > 0 || !["memory", "waited"].includes(key));
    return shown.map((options) => new Chart(view, options));
  };

  const legend = (lines, view) => {
    const root = element("fieldset", { class: "legend" }, element("legend", {}, "Lines"));
    const boxes = [];
    const apply = () => {
      boxes.forEach(([box, line]) => (box.checked ? view.hidden.delete(line.key) : view.hidden.add(line.key)));
      view.redraw();
    };
    const all = (checked) => () => {
      boxes.forEach(([box]) => (box.checked = checked));
      apply();
    };
    root.append(element("div", { class: "bar" },
      element("button", { type: "button", onclick: all(true) }, "All on"),
      element("button", { type: "button", onclick: all(false) }, "All off")));
    const raise = (key) => () => view.raise(key);
    for (const line of lines) {
      const box = element("input", { type: "checkbox", "data-series": line.key, onchange: apply });
      box.checked = true;
      boxes.push([box, line]);
      const sample = document.createElementNS(SVG, "svg");
      sample.setAttribute("width", "26");
      sample.setAttribute("height", "8");
      sample.setAttribute("aria-hidden", "true");
      const looks = { x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": line.index < 0 ? 3 : 2, "stroke-dasharray": dash(line.index) };
      shape(sample, "line", { ...looks, style: `stroke:${colour(line.index)}` });
      root.append(element("label", { onpointerenter: raise(line.key), onpointerleave: raise(null) }, box, sample, line.name));
    }
    return root;
  };

  const showRun = (place, run) => {
    const lines = decode(run);
    const end = Math.max(...lines.map((line) => line.time[line.time.length - 1] ?? 0), 1e-3);
    const view = new View([0, end]);
    const bar = element("div", { class: "bar" },
      element("div", { class: "choice", role: "group", "aria-label": "Time shown" },
        element("button", { type: "button", onclick: () => view.scale(0.5) }, "Zoom in"),
        element("button", { type: "button", onclick: () => view.scale(2) }, "Zoom out"),
        element("button", { type: "button", "data-action": "all", onclick: () => view.reset() }, "All")),
      element("span", { class: "hint" }, "time in seconds since the first registration"));
    const charts = element("div", {}, bar, ...runCharts(run, lines, view).map((chart) => chart.root));
    place.replaceChildren(element("div", { class: "run", "data-run": run.name }, charts, legend(lines, view)));
  };

  const showTrends = (place, study) => {
    for (const trend of study.trends) {
      const places = [...new Set(trend.lines.flatMap((line) => line.n))].sort((a, b) => a - b);
      const view = new View([0, (places[places.length - 1] ?? 1) * 1.04]);
      const chart = new Chart(view, {
        key: "trend", title: trend.title, unit: `${trend.unit}, against N`, write: significant, places,
        series: () => trend.lines.map((line, index) => ({ key: `t${index}`, name: line.name, index, x: line.n, y: line.value })),
      });
      place.append(chart.root);
    }
  };

  const data = JSON.parse(document.getElementById("data").textContent);
  for (const section of document.querySelectorAll(".study")) {
    const study = data.studies[Number(section.dataset.study)];
    showTrends(section.querySelector(".trends"), study);
    const runs = section.querySelector(".runs");
    const place = element("div", {});
    const pick = choice("Run", study.runs.map((run, index) => [index, run.name]), (index) => showRun(place, study.runs[index]));
    if (study.runs.length > 1) runs.append(element("div", { class: "bar" }, element("strong", {}, "Run"), pick));
    runs.append(place);
    showRun(place, study.runs[0]);
  }
})();
