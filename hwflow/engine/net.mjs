// The network {name} as an ES module: `const net = await load(bytes)`, then `net.run(image)`.
// `bytes` are net.wasm as an ArrayBuffer, a typed array or a fetch Response; an image is {inputs} integers {lo} .. {hi}.
export const hash = "{hash}", inputs = {inputs}, outputs = {outputs}, scores = {scores}, labels = {labels};

/** The network, ready to run: {{ run(image) -> {{ answer, labels, scores }} }}. */
export async function load(bytes) {{
  const source = bytes instanceof Response ? await bytes.arrayBuffer() : bytes;
  const {{ instance }} = await WebAssembly.instantiate(source, {{}});
  const code = instance.exports, memory = code.memory.buffer;
  const image = new {array}(memory, code.image(), inputs);
  const answer = new Int32Array(memory, code.answer(), outputs);
  const label = new Int32Array(memory, code.labels(), labels);
  const score = new Float32Array(memory, code.scores(), scores);
  const name = String.fromCharCode(...new Uint8Array(memory, code.hash(), hash.length));
  if (name !== hash) throw new Error(`net.wasm is of another network (${{name}}, not ${{hash}}); publish again`);
  return {{
    run(values) {{
      if (values.length !== inputs) throw new RangeError(`an image has ${{inputs}} integers, not ${{values.length}}`);
      for (const v of values)
        if (!Number.isInteger(v) || v < {lo} || v > {hi}) throw new RangeError(`an image holds integers {lo} .. {hi}, not ${{v}}`);
      image.set(values);
      code.run();
      return {{ answer: answer.slice(), labels: label.slice(), scores: score.slice() }};
    }},
  }};
}}
