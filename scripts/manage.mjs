// `npm run manage -- <command> …`: the operator's commands, over the admin API. The commands are in manage/commands.mjs.
import { parseArgs } from "node:util";
import { ApiError, localApi, remoteApi, UsageError } from "./manage/admin-api.mjs";
import { commands, parseGrants } from "./manage/commands.mjs";
import { askPassword, readPassword } from "./manage/password.mjs";
import { failure, overview, readable, usageOf } from "./manage/show.mjs";

await main(process.argv.slice(2));

async function main(typed) {
  const [name, ...rest] = typed[0] === "help" ? [...typed.slice(1), "--help"] : typed;
  const command = Object.hasOwn(commands, name ?? "") ? commands[name] : undefined;
  if (!command) {
    const isHelp = name === "--help" || name === "-h";
    (isHelp ? console.log : console.error)(isHelp || !name ? overview() : `There is no command ${name}.\n\n${overview()}`);
    process.exit(isHelp ? 0 : 2);
  }
  let json = false;
  try {
    const { words, given } = parse(command, rest);
    json = given.json;
    if (given.help) return console.log(usageOf(name, command));
    const takes = command.takes ?? [];
    if (words.length !== takes.length) throw new UsageError(`${name} takes ${takes.map((word) => `<${word}>`).join(" ") || "no argument"}.`);
    const body = bodyFrom(command.options ?? {}, given);
    if (command.changes && Object.keys(body).length === 0) throw new UsageError("No option says what to change.");
    if (command.password) body.password = given["password-stdin"] ? await readPassword() : await askPassword();

    const openApi = () => (given.remote === undefined ? localApi() : remoteApi(given.remote));
    const answer = command.offline ? await command.call(openApi, given) : await callApi(command, await openApi(), words, body, given);
    console.log(json ? JSON.stringify(answer ?? {}) : readable(answer, command));
    process.exit(0);
  } catch (error) {
    process.exit(report(error, name, json));
  }
}

async function callApi(command, api, ...args) {
  try {
    return await command.call(api.call, ...args);
  } finally {
    await api.close();
  }
}

function parse(command, rest) {
  const options = { help: { type: "boolean", short: "h" }, json: { type: "boolean" }, remote: { type: "string" } };
  for (const [option, [, kind]] of Object.entries({ ...command.options, ...command.query })) {
    options[option] = { type: kind === "flag" ? "boolean" : "string", multiple: kind === "list" };
    if (kind === "flag") options[`no-${option}`] = { type: "boolean" };
  }
  for (const option of Object.keys(command.extra ?? {})) options[option] = { type: "boolean" };
  if (command.password) options["password-stdin"] = { type: "boolean" };
  try {
    const { positionals, values } = parseArgs({ args: rest, options, allowPositionals: true });
    return { words: positionals, given: values };
  } catch (error) {
    throw new UsageError(error.message);
  }
}

function bodyFrom(options, given) {
  const body = {};
  for (const [option, [member, kind]] of Object.entries(options)) {
    if (given[option] && given[`no-${option}`]) throw new UsageError(`--${option} and --no-${option} exclude each other.`);
    if (given[`no-${option}`]) body[member] = false;
    if (given[option] !== undefined) body[member] = parseValue(kind, given[option], option);
  }
  return body;
}

function parseValue(kind, value, option) {
  if (kind === "list") return value.join(" ").split(/\s+/).filter((part) => part !== "");
  if (kind === "grants") return parseGrants(value);
  if (kind !== "json") return value;
  try {
    return JSON.parse(value);
  } catch {
    throw new UsageError(`--${option} is not JSON.`);
  }
}

/** Says what went wrong, and returns the exit code: 2 for what was typed, 1 for all else. */
function report(error, name, json) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\nHelp: npm run manage -- ${name} --help`);
    return 2;
  }
  if (!(error instanceof ApiError)) throw error;
  console.error(json ? JSON.stringify(error.answer) : failure(error));
  return 1;
}
