// A client of a Dispatch server in Node, made from its protos alone.
//
//   npm ci
//   node dispatch.mjs generate 127.0.0.1:50051 山区公路积雪3米,断电,50人被困 A7公路
//   node dispatch.mjs stream 127.0.0.1:50051 山区公路积雪3米,断电,50人被困 A7公路
//
// Prints the answer, or each stage as it comes, as one line of JSON; a call that failed is one line of JSON on standard
// error, and exit status 1. DISPATCH_ROOT names a PEM file with the authority that vouches for the server: the
// connection is then encrypted, and DISPATCH_TOKEN, where it is set, goes with the call.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const TIMEOUT_MS = 60_000;

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));
// google/rpc has two files that Node does not bring along: they lie beside this one.
const definition = loadSync(["dispatch/v1/dispatch_service.proto", "google/rpc/error_details.proto"], {
  includeDirs: [folder("../../protos"), folder("protos")],
  keepCase: true,
  enums: String,
  longs: String,
  defaults: true,
  oneofs: true,
});
const { DispatchService } = grpc.loadPackageDefinition(definition).dispatch.v1;

// Safe because each call has a request_id: a repeat gets the stored answer.
const RETRIES = {
  methodConfig: [
    {
      name: [{ service: "dispatch.v1.DispatchService" }],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "0.2s",
        maxBackoff: "3s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
};

export function connect(target, { root, token }) {
  let credentials = grpc.credentials.createInsecure();
  if (root) {
    const bearer = grpc.credentials.createFromMetadataGenerator((_, done) => {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${token}`);
      done(null, metadata);
    });
    credentials = grpc.credentials.createSsl(readFileSync(root));
    credentials = token ? grpc.credentials.combineChannelCredentials(credentials, bearer) : credentials;
  } else if (token) {
    throw new Error("DISPATCH_TOKEN would travel in the clear; name the authority in DISPATCH_ROOT");
  }
  return new DispatchService(target, credentials, { "grpc.service_config": JSON.stringify(RETRIES) });
}

const deadline = () => ({ deadline: Date.now() + TIMEOUT_MS });

export function generate(client, request) {
  return new Promise((resolve, reject) => {
    client.GenerateInstruction(request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// Stages in the order in which they are reached: [name, content], the last one ["instruction", the stored answer].
export async function* stream(client, request) {
  for await (const message of client.StreamInstruction({ request }, deadline())) {
    if (message.stage) yield [message.stage, message[message.stage]];
  }
}

// What google.rpc says of a failed call: a list of ErrorInfo, BadRequest, RetryInfo, each with its type's name.
export function errorDetails(error) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (!bytes) return [];
  return definition["google.rpc.Status"].deserialize(bytes).details.map(({ type_url, value }) => {
    const type = type_url.slice(type_url.lastIndexOf("/") + 1);
    return { type, ...definition[type]?.deserialize(value) };
  });
}

const print = (value) => console.log(JSON.stringify(value));

async function main([command, target, report, location = ""]) {
  if (!["generate", "stream"].includes(command) || !report) {
    console.error("usage: node dispatch.mjs generate|stream HOST:PORT REPORT [LOCATION]");
    return 2;
  }
  const client = connect(target, { root: process.env.DISPATCH_ROOT, token: process.env.DISPATCH_TOKEN });
  const request = { request_id: randomUUID(), report, context: { location } };
  try {
    if (command === "generate") print(await generate(client, request));
    else for await (const [name, content] of stream(client, request)) print({ [name]: content });
    return 0;
  } catch (error) {
    if (!(error.metadata instanceof grpc.Metadata)) throw error;
    const { code, details } = error;
    console.error(JSON.stringify({ code: grpc.status[code], message: details, details: errorDetails(error) }));
    return 1;
  } finally {
    client.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
