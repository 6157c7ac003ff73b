// Sends what its standard input describes through OpenTelemetry's own SDK, as an application would,
// and prints what that SDK had to say about it: {"told": [...]}.
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { OTLPLogExporter as LogsAsJson } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as LogsAsProtobuf } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPTraceExporter as TracesAsJson } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as TracesAsProtobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const plan = JSON.parse(readFileSync(0, "utf8"));
const told = [];
const remember = (...words) => told.push(words.map(asText).join(" "));
const asText = (word) => (typeof word === "string" ? word : JSON.stringify(word));
const quiet = () => {};
diag.setLogger(
  { error: remember, warn: remember, info: quiet, debug: quiet, verbose: quiet },
  DiagLogLevel.WARN,
);

const resource = resourceFromAttributes(plan.resource);
const options = {
  url: plan.url,
  compression: plan.compression,
  headers: plan.headers,
  timeoutMillis: plan.timeout,
};

function context({ traceId, spanId }) {
  const span = { traceId, spanId, traceFlags: 1 };
  return traceId ? trace.setSpanContext(ROOT_CONTEXT, span) : ROOT_CONTEXT;
}

function logs() {
  const Exporter = { json: LogsAsJson, protobuf: LogsAsProtobuf }[plan.encoding];
  const processor = new BatchLogRecordProcessor({ exporter: new Exporter(options) });
  const provider = new LoggerProvider({ resource, processors: [processor] });
  const logger = provider.getLogger("shop");
  for (const event of plan.events) {
    const { name, time, attributes } = event;
    const timestamp = new Date(time);
    logger.emit({ eventName: name, timestamp, attributes, context: context(event) });
  }
  return provider;
}

async function traces() {
  const Exporter = { json: TracesAsJson, protobuf: TracesAsProtobuf }[plan.encoding];
  const processor = new BatchSpanProcessor(new Exporter(options));
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  const tracer = provider.getTracer("shop");
  for (const { name, kind, attributes } of plan.events) {
    tracer.startSpan(name, { kind: SpanKind[kind], attributes }, ROOT_CONTEXT).end();
    await setTimeout(20); // each span has a clock of its own, right to a millisecond
  }
  return provider;
}

const provider = await { logs, traces }[plan.signal]();
await provider.forceFlush().catch((error) => told.push(String(error)));
await provider.shutdown();
console.log(JSON.stringify({ told }));
