import { answerBody, bodyOf, PATH, requestHeaders, type Workload } from "./workloads.ts";

/** Without parameters: some routers write it anew, and no client can tell. */
const mediaType = (contentType: string | null): string | undefined => contentType?.split(";", 1)[0]?.trim();

/** Requests that are checked: enough for every engine to have its turn. */
const CHECKED = 8;

const checkAnswer = async (url: string, workload: Workload, user: number): Promise<void> => {
  const { name, answer } = workload;
  const response = await fetch(url + PATH, {
    method: "POST",
    headers: requestHeaders(user),
    body: bodyOf(workload, user),
    decompress: false,
    proxy: false,
  } as RequestInit);
  const received = Buffer.from(await response.arrayBuffer());
  const complain = (what: string): Error => new Error(`${name}: ${what} differs from what the engine sends`);
  if (response.status !== 200) throw complain(`status ${response.status}`);
  const contentType = response.headers.get("content-type");
  if (mediaType(contentType) !== mediaType(answer.contentType)) throw complain(`content-type ${contentType}`);
  if (!received.equals(answerBody(answer))) throw complain(`the body (${received.length} bytes)`);
};

/** Throws when a contender does not give the engine's own answer, byte for byte; only right answers are worth timing. */
export const checkAnswers = async (url: string, workload: Workload): Promise<void> => {
  await Promise.all(Array.from({ length: CHECKED }, (_, user) => checkAnswer(url, workload, user)));
};
