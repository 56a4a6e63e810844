/** What a process was doing when it was looked at; of those that Bun does not run, only `own` is not the kernel's. */
export const doings = {
  send: "kernel: send",
  receive: "kernel: receive",
  wait: "kernel: wait for events",
  kernel: "kernel: other",
  own: "runtime by itself",
  called: "runtime called by JavaScript",
  script: "JavaScript",
} as const;

export type Doing = keyof typeof doings;

/** The function that the kernel's entry calls is named for the system call, on x86-64 and on arm64. */
const SYSTEM_CALL = /(?:_sys|\bdo)_(\w+) \([^\n]*\n\s*\S+ (?:do_syscall_64|invoke_syscall)\b/;
const SEND = /^(?:send|p?write)/;
const RECEIVE = /^(?:recv|p?read)/;
/** Code that the runtime has compiled belongs to no file. */
const COMPILED = /\((?:\/tmp\/perf-\d+\.map|\/\/anon|\[JIT\][^)]*)\)$/;
const KERNEL = /\(\[[^()]*kernel[^()]*\]\S*\)$/;

const inKernel = (stack: string): Doing => {
  const call = SYSTEM_CALL.exec(stack)?.[1] ?? "";
  if (SEND.test(call)) return "send";
  if (RECEIVE.test(call)) return "receive";
  return call.startsWith("epoll") ? "wait" : "kernel";
};

/** What a stack says, whose innermost frame is its first line. */
const doingOf = (stack: string): Doing => {
  const [innermost = "", ...callers] = stack.split("\n");
  if (KERNEL.test(innermost)) return inKernel(stack);
  if (COMPILED.test(innermost)) return "script";
  return callers.some((frame) => COMPILED.test(frame)) ? "called" : "own";
};

/** Counts what `perf script -F ip,sym,dso` tells: stacks with empty lines between them. */
export const countStacks = (text: string): ReadonlyMap<Doing, number> => {
  const counts = new Map<Doing, number>();
  for (const stack of text.split(/\n\s*\n/)) {
    const frames = stack.trim();
    if (frames === "") continue;
    const doing = doingOf(frames);
    counts.set(doing, (counts.get(doing) ?? 0) + 1);
  }
  return counts;
};
