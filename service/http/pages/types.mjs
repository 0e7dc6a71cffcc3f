// The API's types, from the OpenAPI document on standard input: what is sent and what a success answers.
// Every error is a Problem, so each operation's own list of them would only make noise.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const document = JSON.parse(await readFile("/dev/stdin", "utf8"));
for (const path of Object.values(document.paths)) {
  for (const operation of Object.values(path)) {
    operation.responses = Object.fromEntries(
      Object.entries(operation.responses)
        .filter(([status]) => status.startsWith("2"))
        .map(([status, { description, content }]) => [status, { description, content }]),
    );
  }
}
const types = await openapiTS(document, {
  alphabetize: true,
  rootTypes: true,
  rootTypesNoSchemaPrefix: true,
  // A field with a default may be left out of what is sent.
  defaultNonNullable: false,
});
const told = "// Made by `make pages` from the OpenAPI document; not to be changed by hand.\n\n";
await writeFile(process.argv[2], told + astToString(types));
