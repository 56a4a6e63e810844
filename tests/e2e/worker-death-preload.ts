import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";

const threads = new Set<Worker>();

// Whoever starts a thread listens to it; `emit` is what tells it.
const emit = Reflect.get(Worker.prototype, "emit") as (...args: unknown[]) => unknown;
Reflect.set(Worker.prototype, "emit", function remember(this: Worker, ...args: unknown[]) {
  threads.add(this);
  return emit.apply(this, args);
});

// Each signal is the end of the oldest thread that there is, wherever it is in its work.
process.on("SIGUSR2", () => {
  const [victim] = threads;
  if (!victim) return;
  threads.delete(victim);
  void victim.terminate().then(() => writeSync(2, "a thread is dead\n"));
});
