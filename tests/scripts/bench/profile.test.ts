import { describe, expect, test } from "bun:test";
import { FLOOR, ROUTER } from "../../../scripts/bench/contenders.ts";
import { describeProfile, type Profile } from "../../../scripts/bench/profile-page.ts";
import { countStacks, doings } from "../../../scripts/bench/stacks.ts";
import { noResults } from "./some-results.ts";

const kernel = (name: string): string => `ffffffff82010ddb ${name} ([kernel.kallsyms])`;
const runtime = "         1c4d953 [unknown] (/usr/bin/bun)";
const libc = "           2724a __libc_start_call_main (/usr/lib/libc.so.6)";
const compiled = "    7ff6b0682a3e [unknown] (/tmp/perf-3096.map)";

describe("a stack is that of", () => {
  test.each([
    ["send", [kernel("tcp_ack"), kernel("__x64_sys_sendto"), kernel("do_syscall_64"), runtime]],
    ["send", [kernel("sock_write_iter"), kernel("do_writev"), kernel("do_syscall_64"), libc]],
    ["send", [kernel("tcp_sendmsg"), kernel("__arm64_sys_sendmsg"), kernel("invoke_syscall"), runtime]],
    ["receive", [kernel("tcp_recvmsg"), kernel("__x64_sys_recvfrom"), kernel("do_syscall_64"), compiled]],
    ["wait", [kernel("__x64_sys_epoll_pwait2"), kernel("do_syscall_64"), runtime]],
    ["kernel", [kernel("__x64_sys_getpeername"), kernel("do_syscall_64"), runtime, compiled]],
    ["kernel", [kernel("asm_exc_page_fault"), runtime]],
    ["own", [runtime, libc]],
    ["own", [libc]],
    ["called", [runtime, runtime, compiled, runtime, libc]],
    ["script", [compiled, runtime, libc]],
  ] as const)("%s", (doing, frames) => {
    const text = `\n\n${frames.join("\n")}\n\n\n`;
    expect([...countStacks(text + text)]).toEqual([[doing, 2]]);
  });
});

test("stacks that could not be told count for nothing", () => {
  expect(countStacks("\n\n\n \n\n").size).toBe(0);
});

describe("the section of the page", () => {
  const micros = (own: number, called: number, script: number) => ({
    send: 10,
    receive: 2,
    wait: 1,
    kernel: 0,
    own,
    called,
    script,
  });
  const profile: Profile = {
    machine: noResults.machine,
    seconds: 10,
    rows: [
      { contender: FLOOR, workload: "json-1k", micros: micros(8, 5, 0.3) },
      { contender: ROUTER, workload: "json-1k", micros: micros(8, 15, 5.7) },
    ],
  };
  const page = describeProfile(profile);

  test("has a column for each kind of doing", () => {
    for (const doing of Object.values(doings)) expect(page).toContain(doing);
    expect(page).toContain("| `json-1k` | `router` | 10.0 | 2.0 | 1.0 | 0.0 | 8.0 | 15.0 | 5.7 | 41.7 |");
  });

  test("says whose the difference to the bare relay is", () => {
    expect(page).toContain("It takes 15.4 us more than the bare relay");
    expect(page).toContain("compiled, 5.4 us, ");
    expect(page).toContain("what that calls of the runtime 10.0 us");
  });

  test("says nothing of a difference to what was not there", () => {
    const alone = describeProfile({ ...profile, rows: profile.rows.slice(1) });
    expect(alone).toContain("`router`");
    expect(alone).not.toContain("more than the bare relay");
  });
});
