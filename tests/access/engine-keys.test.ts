import { expect, test } from "bun:test";
import { withEngineKeys } from "../../src/access/engine-keys.ts";
import type { EngineFetch } from "../../src/core/engine-fetch.ts";

/** What each URL is sent as Authorization, where `Bearer shared` was to be sent. */
const sentTo = async (keys: Readonly<Record<string, string>>, urls: readonly string[]) => {
  const sent: (string | null)[] = [];
  const fetch: EngineFetch = async (_url, { headers }) => {
    sent.push(headers.get("authorization"));
    return new Response();
  };
  const keyed = withEngineKeys(fetch, new Map(Object.entries(keys)));
  const headers = new Headers({ authorization: "Bearer shared" });
  for (const url of urls) await keyed(url, { method: "GET", headers, signal: new AbortController().signal });
  expect(headers.get("authorization")).toBe("Bearer shared");
  return sent;
};

test("each engine gets its own key and never that of another, also when one request goes to several", async () => {
  const keys = { "http://a:8000": "ka", "http://a:8000/deep": "kd", "http://b": "kb" };
  const urls = {
    "http://a:8000/v1/models": "Bearer ka",
    "http://a:8000": "Bearer ka",
    "http://a:8000/deep/v1/models": "Bearer kd",
    "http://a:8000/deeper/v1/models": "Bearer ka",
    "http://b/v1": "Bearer kb",
    "http://b.example/v1": "Bearer shared",
    "http://a:80001/v1": "Bearer shared",
    "http://c/v1": "Bearer shared",
  };
  expect(await sentTo(keys, Object.keys(urls))).toEqual(Object.values(urls));
});

test("without such keys nothing stands in between", () => {
  const fetch: EngineFetch = async () => new Response();
  expect(withEngineKeys(fetch, new Map())).toBe(fetch);
});
