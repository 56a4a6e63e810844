// The `type` that vLLM gives to errors of a status.
const errorTypes: Readonly<Record<number, string>> = {
  400: "BadRequestError",
  404: "NotFoundError",
  500: "InternalServerError",
  501: "NotImplementedError",
};

/** A request that vLLM refuses; the engine turns it into an answer. */
export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;

  /** `type` is vLLM's usual one for the status unless given. */
  constructor(
    status: number,
    message: string,
    options?: { readonly param?: string | null; readonly type?: string },
  ) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.type = options?.type ?? errorTypes[status] ?? "Error";
    this.param = options?.param ?? null;
  }
}

/** vLLM's error object. */
export const errorBody = ({ message, type, param, status }: ApiError): unknown => ({
  error: { message, type, param, code: status },
});
