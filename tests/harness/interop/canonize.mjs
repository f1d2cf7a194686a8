// Canonical N-Quads by jsonld.js and rdf-canonize. First line: the contexts by URL. Then one document a line,
// answered by one line: {canonical} or {refused}. Safe mode: what JSON-LD would drop is an error.
import {createInterface} from 'node:readline';
import jsonld from 'jsonld';

let contexts = null;

const documentLoader = async url => {
  if(!(url in contexts)) {
    throw new Error(`unknown context ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document: contexts[url]};
};

for await (const line of createInterface({input: process.stdin})) {
  if(contexts === null) {
    contexts = JSON.parse(line);
    continue;
  }
  let answer;
  try {
    answer = {canonical: await jsonld.canonize(JSON.parse(line), {
      algorithm: 'RDFC-1.0', base: null, safe: true, rdfDirection: 'i18n-datatype', documentLoader
    })};
  } catch(error) {
    answer = {refused: String(error.message)};
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
