// Signs and verifies with @digitalbazaar/vc and its cryptosuites: a JSON line asked, a JSON line answered.
//
//   first line   {documents: {url: document}}     contexts, keys, controllers; nothing else is known, nothing is fetched
//   sign         {op, suite, document, key, created}   -> {document}
//   verify       {op, suite, document}                 -> {verified, error: text or null}
//   time         {op, count, work: one of the above}   -> {seconds, cpu_seconds}
//
// `document` is JSON text inside JSON, so that parsing it is part of the work.
import * as EcdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as ecdsaJcs from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import * as ecdsaRdfc from '@digitalbazaar/ecdsa-rdfc-2019-cryptosuite';
import * as eddsaJcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as eddsaRdfc from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {Ed25519Signature2020} from '@digitalbazaar/ed25519-signature-2020';
import readline from 'node:readline';

const SUITES = {
  'ecdsa-jcs-2019': ecdsaJcs,
  'ecdsa-rdfc-2019': ecdsaRdfc,
  'eddsa-jcs-2022': eddsaJcs,
  'eddsa-rdfc-2022': eddsaRdfc
};

let documents;
const signers = new Map(); // by key id

async function documentLoader(url) {
  if(!(url in documents)) {
    throw new Error(`not given: ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document: documents[url]};
}

// The status is asked of nobody: Comity's side of the comparison does not ask either.
const checkStatus = async () => ({verified: true});

async function sign({suite: name, document, key, created}) {
  if(!signers.has(key.id)) {
    const multikey = name.startsWith('ecdsa') ? EcdsaMultikey : Ed25519Multikey;
    signers.set(key.id, (await multikey.from(key)).signer());
  }
  const signer = signers.get(key.id);
  let suite;
  if(name === 'Ed25519Signature2020') {
    suite = new Ed25519Signature2020({signer, date: created});
  } else {
    const {createSignCryptosuite, cryptosuite} = SUITES[name];
    suite = new DataIntegrityProof({
      signer, date: created, cryptosuite: createSignCryptosuite?.() ?? cryptosuite
    });
  }
  const signed = await vc.issue({credential: JSON.parse(document), suite, documentLoader});
  return {document: JSON.stringify(signed)};
}

async function verify({suite: name, document}) {
  let suite;
  if(name === 'Ed25519Signature2020') {
    suite = new Ed25519Signature2020();
  } else {
    const {createVerifyCryptosuite, cryptosuite} = SUITES[name];
    suite = new DataIntegrityProof({cryptosuite: createVerifyCryptosuite?.() ?? cryptosuite});
  }
  const {verified, error} = await vc.verifyCredential({
    credential: JSON.parse(document), suite, documentLoader, checkStatus
  });
  return {verified, error: error ? String(error.errors?.[0] ?? error) : null};
}

async function time({count, work}) {
  const started = process.hrtime.bigint();
  const before = process.cpuUsage();
  for(let left = count; left > 0; left--) {
    const {verified, document} = await OPERATIONS[work.op](work);
    if(!verified && !document) {
      throw new Error('what is timed must succeed');
    }
  }
  const {user, system} = process.cpuUsage(before);
  return {seconds: Number(process.hrtime.bigint() - started) / 1e9, cpu_seconds: (user + system) / 1e6};
}

const OPERATIONS = {sign, time, verify};

for await (const line of readline.createInterface({input: process.stdin})) {
  const asked = JSON.parse(line);
  let answer = {};
  if(documents === undefined) {
    documents = asked.documents;
  } else {
    try {
      answer = await OPERATIONS[asked.op](asked);
    } catch(error) {
      answer = {failed: String(error)};
    }
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
