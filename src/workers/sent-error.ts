/** What was thrown as an error that can be sent to another thread: whatever else it holds may be impossible to copy. */
export const sentError = (thrown: unknown): Error => {
  if (!(thrown instanceof Error)) return new Error(Bun.inspect(thrown));
  const { name, message, stack } = thrown;
  return Object.assign(new Error(message), { name, stack });
};
