// Loaded before the router's own code, to fail in the two ways that end a Bun process by default.
process.on("SIGUSR2", () => {
  void Promise.reject(new Error("planted rejection"));
  setTimeout(() => {
    throw new Error("planted throw");
  });
});
