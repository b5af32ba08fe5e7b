// An ordinary JetStream client: publishes each event it reads from standard
// input (one JSON object a line: subject, id, data), and prints what came back.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";

const [url, credentials] = process.argv.slice(2);
const nc = await connect({
  servers: url,
  authenticator: credsAuthenticator(readFileSync(credentials)),
});
const js = jetstream(nc);
for await (const line of createInterface({ input: process.stdin })) {
  const { subject, id, data } = JSON.parse(line);
  try {
    const ack = await js.publish(subject, data, { msgID: id });
    console.log(JSON.stringify({ stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate, domain: ack.domain }));
  } catch (err) {
    console.log(JSON.stringify({ name: err.name, message: err.message, code: err.code }));
  }
}
await nc.drain();
