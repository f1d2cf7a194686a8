// Verifies one credential with @digitalbazaar/vc, as often as it is asked to.
// First line on stdin: {credential, documents: {url: document}}; then lines with a number of repetitions.
// Answers each with {"seconds": s}; the first line with {"verified": true|false, "error": text|null}.
// Documents come from the first line only; nothing is fetched.
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import readline from 'node:readline';
import * as vc from '@digitalbazaar/vc';

let text;
let documents;
const say = value => process.stdout.write(JSON.stringify(value) + '\n');

async function documentLoader(url) {
  if(!(url in documents)) {
    throw new Error(`not given: ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document: documents[url]};
}

// The status is asked of nobody: Comity's side of the comparison does not ask either.
const checkStatus = async () => ({verified: true});

async function verify() {
  const suite = new DataIntegrityProof({cryptosuite: createVerifyCryptosuite()});
  return vc.verifyCredential({credential: JSON.parse(text), suite, documentLoader, checkStatus});
}

for await (const line of readline.createInterface({input: process.stdin})) {
  if(text === undefined) {
    const given = JSON.parse(line);
    text = JSON.stringify(given.credential);
    documents = given.documents;
    const {verified, error} = await verify();
    say({verified, error: error ? String(error.errors?.[0] ?? error) : null});
    continue;
  }
  const started = process.hrtime.bigint();
  for(let left = Number(line); left > 0; left--) {
    const {verified} = await verify();
    if(!verified) {
      throw new Error('the credential no longer verifies');
    }
  }
  say({seconds: Number(process.hrtime.bigint() - started) / 1e9});
}
