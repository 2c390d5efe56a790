// Tokens that are bound to a key, by real parties. "provider <port> <audience> <format>"
// runs a certified provider that issues them to programs, as JWTs (jwt) or opaque (opaque)
// with an introspection endpoint, and prints "ready". "client <issuer>
// <http site> <https site> <certificate> <other certificate>" gets tokens and calls the
// sites with and without their proofs; certificates are files of a key and a certificate
// in PEM. It fails with the first answer that is not as expected.
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { generateKeyPairSync } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { Provider } from 'oidc-provider'

const secret = 'test-material-not-a-secret'
const insecure = { [oauth.allowInsecureRequests]: true }

function provide(port, audience, format) {
	const client = { client_secret: secret, redirect_uris: [], response_types: [], grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256' }
	const provider = new Provider(`http://localhost:${port}`, {
		jwks: { keys: [{ ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: '1' }] },
		clients: [{ ...client, client_id: 'by-key' }, { ...client, client_id: 'by-certificate', tls_client_certificate_bound_access_tokens: true }],
		features: {
			devInteractions: { enabled: false },
			clientCredentials: { enabled: true },
			introspection: { enabled: true },
			dPoP: { enabled: true },
			mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: ctx => decodeURIComponent(ctx.get('x-test-certificate')) || undefined },
			resourceIndicators: {
				enabled: true,
				defaultResource: () => audience,
				getResourceServerInfo: () => ({ scope: 'read', audience, accessTokenFormat: format, jwt: { sign: { alg: 'ES256' } } }),
			},
		},
	})
	provider.on('server_error', (ctx, problem) => console.error(problem))
	http.createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('ready'))
}

// grant returns an access token for a client.
async function grant(issuer, id, options, headers) {
	const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), insecure))
	const client = { client_id: id }
	const answer = await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretPost(secret), new URLSearchParams(), { ...insecure, ...options, headers })
	return oauth.processClientCredentialsResponse(as, client, answer)
}

// call sends a request to the site and returns its status, challenges and body.
function call(url, headers, tls) {
	return new Promise((resolve, reject) => {
		const send = url.startsWith('https') ? https : http
		send.get(url, { headers, rejectUnauthorized: false, agent: false, ...tls }, answer => {
			let body = ''
			answer.on('data', part => { body += part })
			answer.on('end', () => resolve({ status: answer.statusCode, challenge: answer.headers['www-authenticate'] ?? '', nonce: answer.headers['dpop-nonce'], body }))
		}).on('error', reject)
	})
}

// refused checks that an answer is a 401 with the error in the challenge of one scheme alone.
function refused(answer, scheme, error, what) {
	assert.equal(answer.status, 401, what)
	for (const part of answer.challenge.split(/, (?=[A-Z][A-Za-z]+ )/)) {
		assert.equal(part.includes('error="'), part.startsWith(scheme + ' ') && part.includes(`error="${error}"`), `${what}: ${answer.challenge}`)
	}
	assert.ok(answer.challenge.includes(`error="${error}"`) && answer.challenge.includes('algs="'), `${what}: ${answer.challenge}`)
}

// available repeats a request while the answer is 503: on a busy machine, the first fetch of
// the keys or the opening of the store can take too long.
async function available(request) {
	for (let left = 20; ; left--) {
		const answer = await request()
		if (answer.status !== 503 || left === 0) {
			return answer
		}
		await new Promise(resolve => setTimeout(resolve, 500))
	}
}

async function byKey(issuer, site) {
	const url = `${site}/orders?first=1`
	const keys = await oauth.generateKeyPair('ES256')
	const DPoP = oauth.DPoP({ client_id: 'by-key' }, keys)
	const { access_token: token, token_type: type } = await grant(issuer, 'by-key', { DPoP })
	assert.equal(type, 'dpop')
	let sent
	const slow = oauth.DPoP({ client_id: 'by-key', [oauth.clockSkew]: -3600 }, keys) // a clock that is an hour behind
	const request = () => oauth.protectedResourceRequest(token, 'GET', new URL(url), new Headers(), null, {
		...insecure, DPoP: slow, [oauth.customFetch]: (to, options) => { sent = options.headers; return fetch(to, options) },
	})
	await assert.rejects(available(request), problem => oauth.isDPoPNonceError(problem), 'a proof that is too old')
	const answer = await request()
	const body = await answer.text()
	assert.equal(answer.status, 200, body)
	assert.equal(body, 'by-key, authorization "", proof ""')
	assert.equal((await request()).status, 200, 'the same token with another proof')

	refused(await call(url, sent), 'DPoP', 'invalid_dpop_proof', 'the same proof again')
	refused(await call(url, { authorization: `DPoP ${token}` }), 'DPoP', 'invalid_dpop_proof', 'no proof')
	refused(await call(url, { authorization: `Bearer ${token}` }), 'Bearer', 'invalid_token', 'as a bearer token')
	refused(await call(url, { authorization: `Bearer ${token}`, dpop: sent.dpop }), 'Bearer', 'invalid_token', 'as a bearer token with a proof')
	const thief = oauth.DPoP({ client_id: 'by-key' }, await oauth.generateKeyPair('ES256'))
	await assert.rejects(oauth.protectedResourceRequest(token, 'GET', new URL(url), new Headers(), null, { ...insecure, DPoP: thief }), 'with a key of another client')
	const { access_token: plain } = await grant(issuer, 'by-key')
	assert.equal((await call(url, { authorization: `Bearer ${plain}` })).status, 200, 'a token that is not bound')
	assert.equal((await call(`${site}/strict`, { authorization: `Bearer ${plain}` })).status, 401, 'a token that is not bound, where it must be')
}

async function byCertificate(issuer, site, own, other) {
	const pem = file => { const text = readFileSync(file, 'utf8'); return { cert: text.slice(text.indexOf('-----BEGIN CERTIFICATE')), key: text.slice(0, text.indexOf('-----BEGIN CERTIFICATE')) } }
	const { access_token: token } = await grant(issuer, 'by-certificate', {}, { 'x-test-certificate': encodeURIComponent(pem(own).cert) })
	const headers = { authorization: `Bearer ${token}` }
	const answer = await call(`${site}/orders`, headers, pem(own))
	assert.equal(`${answer.status} ${answer.body}`, '200 by-certificate, authorization "", proof ""')
	refused(await call(`${site}/orders`, headers), 'Bearer', 'invalid_token', 'no certificate')
	refused(await call(`${site}/orders`, headers, pem(other)), 'Bearer', 'invalid_token', 'another certificate')
}

const [role, ...args] = process.argv.slice(2)
if (role === 'provider') {
	provide(...args)
} else {
	const [issuer, plain, secure, own, other] = args
	await byKey(issuer, plain)
	await byCertificate(issuer, secure, own, other)
}
