// Runs the Worker until it is killed, and says where it listens: `node persistent.mjs '<what startBare takes, as JSON>'`.
import { startBare } from "./bare.mjs";

const { url } = await startBare(JSON.parse(process.argv[2]));
console.log(`Ready on ${url.origin}`);
