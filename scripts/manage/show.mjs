// What the commands print: answers as lines or a table, errors by field, and help made from the table of commands.
import { commands } from "./commands.mjs";

const everywhere = {
  remote: "URL of a deployed Postern; its ADMIN_TOKEN comes from the environment",
  json: "print the API's JSON",
  help: "print this",
};

export function readable(answer, { columns }) {
  if (answer === null) return "Done.";
  if (columns) return table(columns, Object.values(answer)[0]);
  const members = Object.entries(answer.deleted ?? answer);
  const width = Math.max(...members.map(([name]) => name.length));
  return members.map(([name, value]) => `${name.padEnd(width)}  ${plain(value, name)}`).join("\n");
}

function table(columns, rows) {
  const lines = [columns, ...rows.map((row) => columns.map((column) => plain(row[column], column)))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index].length)));
  return lines.map((line) => line.map((cell, index) => cell.padEnd(widths[index])).join("  ").trimEnd()).join("\n");
}

/** A value on one line. Control characters are spelt out: a user's name must not command the operator's terminal. */
function plain(value, name) {
  if (value === null || value === undefined || value === "") return "-";
  if (Array.isArray(value)) return value.map((item) => plain(item, name)).join(" ") || "-";
  if (name.endsWith("_at")) return new Date(value * 1000).toISOString().replace(".000", "");
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1).replace(/[^ -~]/, "?"));
}

/** A refusal, with what it says of each field. */
export function failure({ message, answer }) {
  const fields = Object.entries(answer.fields ?? {}).map(([field, messages]) => `\n  ${field}: ${[messages].flat().join(" ")}`);
  return message + fields.join("");
}

export function overview() {
  const lines = Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(18)}${about}`);
  return `npm run manage -- <command> …

${lines.join("\n")}

Each command has --help. They act on the local server, which is started for the call if it is not running, or on the one
that --remote names. For scripts: npm run --silent manage -- <command> … --json`;
}

export function usageOf(name, command) {
  const options = { ...command.options, ...command.query };
  const described = Object.entries(options).map(([option, [, kind, what]]) =>
    kind === "flag" ? [`--[no-]${option}`, what] : [`--${option} ${option === "jwks" ? "JSON" : "…"}`, what],
  );
  for (const [option, what] of Object.entries(command.extra ?? {})) described.push([`--${option}`, what]);
  if (command.password) described.push(["--password-stdin", "take the password from standard input instead of asking for it"]);
  for (const [option, what] of Object.entries(everywhere)) described.push([option === "remote" ? "--remote URL" : `--${option}`, what]);
  const takes = (command.takes ?? []).map((word) => ` <${word}>`).join("");
  const notes = command.notes ? `\n${command.notes.join("\n")}\n` : "";
  return `npm run manage -- ${name}${takes} [options]

${command.about}
${notes}
${described.map(([option, what]) => `  ${option.padEnd(33)}${what}`.trimEnd()).join("\n")}`;
}
