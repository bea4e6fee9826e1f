"use strict";
/* Unpacks the numbers of the page, draws its figures with Vega, and redraws them when a slider or a list is moved. */

/* Raw deflate (RFC 1951), for browsers without DecompressionStream. */
function inflate(bytes) {
  let at = 0, bit = 0, kept = 0, size = 0, out = new Uint8Array(bytes.length * 6 + 1024);
  const need = n => { while (bit < n) { kept |= bytes[at++] << bit; bit += 8; } };
  const bits = n => { if (!n) return 0; need(n); const v = kept & ((1 << n) - 1); kept >>>= n; bit -= n; return v; };
  const put = value => {
    if (size === out.length) { const more = new Uint8Array(size * 2); more.set(out); out = more; }
    out[size++] = value;
  };
  const tree = lengths => {
    const count = new Uint16Array(16), next = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
    for (const n of lengths) count[n]++;
    count[0] = 0;
    for (let n = 1; n < 16; n++) next[n] = next[n - 1] + count[n - 1];
    lengths.forEach((n, symbol) => { if (n) symbols[next[n]++] = symbol; });
    return { count, symbols };
  };
  const decode = t => {
    let code = 0, first = 0, index = 0;
    for (let n = 1; n < 16; n++) {
      code |= bits(1);
      const count = t.count[n];
      if (code - count < first) return t.symbols[index + code - first];
      index += count; first = (first + count) << 1; code <<= 1;
    }
    throw new Error("the page's data are damaged");
  };
  const BASE = [3,4,5,6,7,8,9,10,11,13,15,17,19,23,27,31,35,43,51,59,67,83,99,115,131,163,195,227,258];
  const EXTRA = [0,0,0,0,0,0,0,0,1,1,1,1,2,2,2,2,3,3,3,3,4,4,4,4,5,5,5,5,0];
  const FAR = [1,2,3,4,5,7,9,13,17,25,33,49,65,97,129,193,257,385,513,769,1025,1537,2049,3073,4097,6145,8193,12289,16385,24577];
  const FAR_EXTRA = [0,0,0,0,1,1,2,2,3,3,4,4,5,5,6,6,7,7,8,8,9,9,10,10,11,11,12,12,13,13];
  const ORDER = [16,17,18,0,8,7,9,6,10,5,11,4,12,3,13,2,14,1,15];
  const fixed = Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  let last;
  do {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      kept = 0; at -= bit >> 3; bit = 0;
      let n = bytes[at] | bytes[at + 1] << 8;
      at += 4;
      while (n--) put(bytes[at++]);
      continue;
    }
    let letters = fixed, ways = new Array(30).fill(5);
    if (kind === 2) {
      const nl = bits(5) + 257, nd = bits(5) + 1, nc = bits(4) + 4, lengths = new Array(19).fill(0), all = [];
      for (let i = 0; i < nc; i++) lengths[ORDER[i]] = bits(3);
      const codes = tree(lengths);
      while (all.length < nl + nd) {
        const symbol = decode(codes);
        if (symbol < 16) all.push(symbol);
        else {
          const value = symbol === 16 ? all[all.length - 1] : 0;
          let n = symbol === 16 ? 3 + bits(2) : symbol === 17 ? 3 + bits(3) : 11 + bits(7);
          while (n--) all.push(value);
        }
      }
      letters = all.slice(0, nl); ways = all.slice(nl);
    }
    const one = tree(letters), two = tree(ways);
    for (let symbol = decode(one); symbol !== 256; symbol = decode(one)) {
      if (symbol < 256) { put(symbol); continue; }
      const length = BASE[symbol - 257] + bits(EXTRA[symbol - 257]), way = decode(two), back = FAR[way] + bits(FAR_EXTRA[way]);
      for (let i = 0; i < length; i++) put(out[size - back]);
    }
  } while (!last);
  return out.subarray(0, size);
}

async function unzipped(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  if (typeof DecompressionStream === "function") {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  return inflate(bytes.subarray(10)); /* the header that Python's gzip writes has ten bytes */
}

/* The one decoder: varints → zigzag differences along the last axis → numbers; 0 stands for no value. */
function unpack(words, bytes) {
  let at = 0;
  for (const cube of Object.values(words)) {
    cube.names = Object.keys(cube.axes);
    const sizes = cube.names.map(name => cube.axes[name].length), total = sizes.reduce((a, b) => a * b, 1);
    cube.strides = sizes.map((_, i) => sizes.slice(i + 1).reduce((a, b) => a * b, 1));
    const run = sizes.length > 1 ? sizes[sizes.length - 1] : 1, slice = cube.strides[0];
    cube.values = {};
    for (const [measure, scales] of Object.entries(cube.measures)) {
      const values = cube.values[measure] = new Float64Array(total);
      for (let i = 0, current = 0; i < total; i++) {
        if (i % run === 0) current = 0;
        let code = 0, weight = 1, byte;
        do { byte = bytes[at++]; code += (byte & 127) * weight; weight *= 128; } while (byte > 127);
        if (!code) { values[i] = NaN; continue; }
        code -= 1;
        current += code % 2 ? -(code + 1) / 2 : code / 2;
        values[i] = current * scales[Math.floor(i / slice)];
      }
    }
  }
}

function rowsOf(cube, fixed) {
  const rows = [], measures = Object.entries(cube.values);
  const walk = (axis, offset, row) => {
    if (axis === cube.names.length) {
      const full = { ...row };
      let any = false;
      for (const [name, values] of measures) if (!Number.isNaN(values[offset])) { full[name] = values[offset]; any = true; }
      if (any) rows.push(full);
      return;
    }
    const name = cube.names[axis], labels = cube.axes[name];
    const go = i => {
      let label = labels[i];
      if (name === "time" && /^\d{4}\/\d\d\/\d\d$/.test(label)) label = new Date(+label.slice(0, 4), +label.slice(5, 7) - 1, 1);
      if (name === "stop") { const cut = label.indexOf(". "); row.position = +label.slice(0, cut); }
      row[name] = label;
      walk(axis + 1, offset + i * cube.strides[axis], row);
    };
    if (name in fixed) { const i = labels.indexOf(fixed[name]); if (i >= 0) go(i); }
    else labels.forEach((_, i) => go(i));
  };
  walk(0, 0, {});
  return rows;
}

const page = JSON.parse(document.getElementById("page-words").textContent);
const plainNumber = new Intl.NumberFormat(page.language, { maximumSignificantDigits: 4 });
const signedNumber = new Intl.NumberFormat(page.language, { maximumSignificantDigits: 4, signDisplay: "exceptZero" });

function mapRows(figure, cube, role, chosen) {
  const { map, scenario, zone, time } = cube.axes, range = figure.map.ranges[chosen.map], values = cube.values.mean;
  const [ms, ss, zs] = cube.strides, start = map.indexOf(chosen.map) * ms + time.indexOf(chosen.time);
  const other = chosen.scenario === undefined ? 0 : scenario.indexOf(chosen.scenario) * ss, rows = [];
  zone.forEach((name, z) => {
    const base = values[start + z * zs], there = values[start + other + z * zs], value = role === "difference" ? there - base : base;
    if (Number.isNaN(value)) return;
    const moved = role === "difference", gap = unit => unit ? "\u00a0" + unit : "";
    rows.push({ zone: name, value, tip: moved ? signedNumber.format(value) + gap(range.moved) : plainNumber.format(value) + gap(range.unit),
      tip2: plainNumber.format(there) + gap(range.unit) });
  });
  return { rows, low: role === "difference" ? -range.span : range.low, high: role === "difference" ? range.span : range.high, unit: role === "difference" ? range.moved : range.unit,
    same: role === "difference" && rows.every(row => row.value === 0) };
}

async function draw(name, figure, cube) {
  const root = document.getElementById("figure-" + name), chosen = {}, views = [];
  const controls = [...root.querySelectorAll("[data-axis]")];
  const read = () => {
    const said = [];
    for (const control of controls) {
      const axis = control.dataset.axis;
      chosen[axis] = control.type === "range" ? cube.axes[axis][+control.value] : control.value;
      if (control.type === "range") {
        control.nextElementSibling.textContent = chosen[axis];
        control.setAttribute("aria-valuetext", chosen[axis]);
      }
      said.push(control.dataset.label + ": " + chosen[axis]);
    }
    const words = root.querySelector(".chosen");
    if (words) words.textContent = said.join(" · ");
  };
  const feed = async () => {
    read();
    for (const { view, panel, title } of views) {
      if (figure.map) {
        const found = mapRows(figure, cube, panel.fixed.role, chosen);
        view.signal("low", found.low).signal("high", found.high).data("rows", found.rows).resize();
        retitle(title, panel, found);
      } else view.data("rows", rowsOf(cube, { ...panel.fixed, ...chosen }));
      await view.runAsync();
    }
  };
  read();
  const retitle = (title, panel, found) => {
    const unit = found.unit ? ", " + found.unit : "", same = found.same ? " – " + page.same : "";
    title.textContent = panel.title.replace("{scenario}", chosen.scenario || "") + unit + same;
  };
  for (const [i, panel] of figure.panels.entries()) {
    const holder = root.querySelectorAll(".panel")[i], chart = holder.querySelector(".chart");
    const found = figure.map ? mapRows(figure, cube, panel.fixed.role, chosen) : null;
    const rows = found ? found.rows : rowsOf(cube, { ...panel.fixed, ...chosen });
    const datasets = figure.map ? { zones: figure.map.features, rows } : { rows };
    const params = found ? panel.spec.params.map(one => ({ ...one, value: found[one.name] })) : undefined;
    const spec = { ...panel.spec, ...(found ? { params } : {}), datasets, config: page.config, description: figure.alt + " – " + panel.title.replace("{scenario}", "") };
    const made = await vegaEmbed(chart, spec, {
      renderer: "svg", actions: false, logLevel: 1, mode: "vega-lite", formatLocale: page.formatLocale, timeFormatLocale: page.timeLocale,
    });
    views.push({ view: made.view, panel, title: holder.querySelector("h4") });
  }
  if (figure.map) await feed();
  for (const control of controls) control.addEventListener("input", feed);
}

addEventListener("beforeprint", () => document.querySelectorAll("details:not(.long)").forEach(part => { part.open = true; }));

(async () => {
  unpack(page.cubes, await unzipped(document.getElementById("page-numbers").textContent.trim()));
  for (const [name, figure] of Object.entries(page.figures)) {
    await draw(name, figure, page.cubes[name]);
    await new Promise(resolve => setTimeout(resolve));
  }
  document.documentElement.dataset.drawn = "all";
})().catch(error => {
  document.documentElement.dataset.drawn = "failed";
  console.error(error);
});
