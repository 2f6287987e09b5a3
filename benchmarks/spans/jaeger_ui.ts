// The Jaeger UI's own critical path of every trace of one file: microseconds by service and operation, as JSON.
// Its module gets what it reads (spans linked and ordered by start as its trace page does) and nothing else.
import { readFileSync } from 'node:fs';
import criticalPath from 'CRITICAL_PATH';

const totals: Record<string, number> = {};
const document = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const trace of document.data) {
  const byId = new Map<string, any>();
  for (const span of trace.spans) {
    byId.set(span.spanID, {
      spanID: span.spanID,
      parentSpanID: span.references.length ? span.references[0].spanID : undefined,
      kind: 'INTERNAL',
      startTime: span.startTime,
      endTime: span.startTime + span.duration,
      duration: span.duration,
      childSpans: [],
      parentSpan: undefined,
      key: `[${trace.processes[span.processID].serviceName}] ${span.operationName}`,
    });
  }
  const rootSpans: any[] = [];
  for (const span of byId.values()) {
    const parent = span.parentSpanID && byId.get(span.parentSpanID);
    if (parent) {
      span.parentSpan = parent;
      parent.childSpans.push(span);
    } else {
      rootSpans.push(span);
    }
  }
  for (const span of byId.values()) span.childSpans.sort((a: any, b: any) => a.startTime - b.startTime);
  const { sections, failed, errors } = criticalPath({ rootSpans } as any);
  if (failed) throw new Error(errors.join('; '));
  for (const one of sections) {
    const key = byId.get(one.spanID).key;
    totals[key] = (totals[key] || 0) + (one.sectionEnd - one.sectionStart);
  }
}
process.stdout.write(JSON.stringify(totals) + '\n');
