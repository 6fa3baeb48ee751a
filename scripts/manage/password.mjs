// How a password comes in: typed twice on the terminal, where it does not show, or as standard input; never as an argument.
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "./admin-api.mjs";

/** The password from standard input, less one line end. */
export async function readPassword() {
  const bytes = Buffer.concat(await process.stdin.toArray());
  return decode(bytes).replace(/\r?\n$/, "");
}

/** What is no UTF-8 is not replaced, nor is a byte order mark dropped: a password is taken as it is, or not at all. */
function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError("The password is not UTF-8.");
  }
}

/** The password as a person types it, asked for until both times agree. */
export async function askPassword() {
  if (!process.stdin.isTTY) throw new UsageError("There is no terminal to ask for the password on: use --password-stdin.");
  for (;;) {
    const password = await askHidden("Password: ");
    if (password === (await askHidden("Password (again): "))) return password;
    process.stderr.write("The two differ. Once more.\n");
  }
}

async function askHidden(question) {
  const nowhere = new Writable({ write: (_data, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  const giveUp = () => {
    process.stderr.write("\n");
    process.exit(130);
  };
  terminal.on("SIGINT", giveUp).on("close", giveUp); // Ctrl-C, Ctrl-D
  process.stderr.write(question);
  const answer = await terminal.question("");
  terminal.off("close", giveUp).close();
  process.stderr.write("\n");
  return answer;
}
