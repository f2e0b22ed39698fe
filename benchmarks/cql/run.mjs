// Four criteria in ELM, written by hand (the translator from CQL is not on npm), by cql-execution on patients in JSON lines.
// node run.mjs PATIENTS.ndjson YYYY-MM-DD  prints how many patients, how many seconds, and how many meet each.
import { readFileSync } from "node:fs";
import cql from "cql-execution";

const [file, day] = process.argv.slice(2);
const elm = JSON.parse(readFileSync(new URL("criteria.json", import.meta.url), "utf8"));
const patients = readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const library = new cql.Library(elm);
const executor = new cql.Executor(library, undefined, { Screening: cql.Date.parse(day) });
const many = patients.length;  // the source empties the list
const started = process.hrtime.bigint();
const results = await executor.exec(new cql.PatientSource(patients));
const seconds = Number(process.hrtime.bigint() - started) / 1e9;
const met = {};
for (const found of Object.values(results.patientResults)) {
  for (const [name, value] of Object.entries(found)) {
    if (value === true) met[name] = (met[name] ?? 0) + 1;
  }
}
console.log(JSON.stringify({ patients: many, seconds, met }));
