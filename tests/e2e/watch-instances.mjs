// Notes each instance of a wasm that is made from now on.
export const instances = [];

const Instance = WebAssembly.Instance;
WebAssembly.Instance = class {
  constructor(module, imports) {
    const { exports } = new Instance(module, imports);
    const noted = { calls: 0, memory: new WeakRef(exports.memory) };
    instances.push(noted);
    this.exports = { ...exports };
    for (const name of Object.keys(exports).filter((name) => name.includes("__closures_"))) {
      this.exports[name] = (...args) => {
        noted.calls += 1;
        return exports[name](...args);
      };
    }
  }
};
