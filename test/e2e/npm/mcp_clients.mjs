// Clients of examples/mcp, which know nothing but its URL: node mcp_clients.mjs <endpoint>.
// They find the issuer, register there, get a token and call tools.
import assert from 'node:assert/strict'
import * as current from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const endpoint = new URL(process.argv[2])
const callback = 'http://127.0.0.1:9/callback'

// Person is the person at a client, who signs in and consents to everything.
class Person {
	constructor(clientMetadataUrl) { this.clientMetadataUrl = clientMetadataUrl }
	cookies = new Map()
	asked = []
	get redirectUrl() { return callback }
	get clientMetadata() {
		return {
			client_name: 'a test', redirect_uris: [callback], application_type: 'native', grant_types: ['authorization_code'],
			response_types: ['code'], token_endpoint_auth_method: 'none',
		}
	}
	clientInformation() { return this.client }
	saveClientInformation(client) { this.client = client }
	tokens() { return this.saved }
	saveTokens(tokens) { this.saved = tokens }
	discoveryState() { return this.discovered }
	saveDiscoveryState(discovered) { this.discovered = discovered }
	codeVerifier() { return this.verifier }
	saveCodeVerifier(verifier) { this.verifier = verifier }
	async redirectToAuthorization(url) {
		this.asked.push(Object.fromEntries(url.searchParams))
		let next = url
		for (let hops = 0; hops < 20; hops++) {
			const answer = await fetch(next, { redirect: 'manual', headers: { Cookie: [...this.cookies].map(pair => pair.join('=')).join('; ') } })
			for (const line of answer.headers.getSetCookie()) {
				const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
				this.cookies.set(name, value)
			}
			assert.ok(answer.headers.has('location'), `${answer.status} ${await answer.text()}`)
			next = new URL(answer.headers.get('location'), next)
			if (next.href.startsWith(callback)) {
				this.answer = next.searchParams
				return
			}
		}
		assert.fail(`no end of redirects: ${next}`)
	}
}

// The generations of clients: how each is made and takes the issuer's answer.
const generations = {
	'2.4.0, which negotiates the revision': {
		make: person => [new current.Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } }), new current.StreamableHTTPClientTransport(endpoint, { authProvider: person })],
		finish: (transport, person) => transport.finishAuth(person.answer),
		revision: '2026-07-28',
	},
	'2.4.0, without negotiation': {
		make: person => [new current.Client({ name: 'test', version: '1.0.0' }), new current.StreamableHTTPClientTransport(endpoint, { authProvider: person })],
		finish: (transport, person) => transport.finishAuth(person.answer),
	},
	'1.32.2': {
		make: person => [new Client({ name: 'test', version: '1.0.0' }), new StreamableHTTPClientTransport(endpoint, { authProvider: person })],
		finish: (transport, person) => transport.finishAuth(person.answer.get('code')),
	},
}

const unauthorized = problem => problem.constructor.name === 'UnauthorizedError'
const refused = problem => assert.match(`${problem.message} ${problem.code} ${problem.data?.status}`, /403/) ?? true

for (const [name, generation] of Object.entries(generations)) {
	for (const document of [undefined, 'https://trusted.example.com/client.json', 'https://other.example.com/client.json']) {
		const person = new Person(document)
		const [first, discovering] = generation.make(person)
		await assert.rejects(first.connect(discovering), unauthorized, name) // 401, metadata, issuer, consent
		assert.equal(person.asked[0].scope, 'notes', name)
		assert.equal(person.asked[0].resource, endpoint.href, name)
		if (document) assert.equal(person.asked[0].client_id, document, name)
		await generation.finish(discovering, person)

		const [client, transport] = generation.make(person)
		await client.connect(transport)
		if (generation.revision) assert.equal(client.getNegotiatedProtocolVersion(), generation.revision)
		const call = (tool, args = {}) => client.callTool({ name: tool, arguments: args })
		const { tools } = await client.listTools()
		assert.deepEqual(tools.map(tool => tool.name).sort(), ['add_note', 'delete_note', 'list_notes', 'read_note'])
		assert.match((await call('list_notes')).content[0].text, /first/)
		assert.equal((await call('read_note', { name: 'first' })).content[0].text, 'Buy milk.')

		// A tool that is not for this client, and one for which a scope is missing.
		await assert.rejects(call('delete_note', { name: 'first' }), problem => unauthorized(problem) || refused(problem), name)
		await assert.rejects(call('add_note', { name: 'more', content: 'x' }), unauthorized, name)
		assert.deepEqual(person.asked.at(-1).scope.split(' ').sort(), ['notes', 'notes.write'], name)
		if (document) { // this issuer gives clients that register no more scopes than they named first
			await generation.finish(transport, person)
			assert.equal((await call('add_note', { name: 'more', content: 'x' })).content[0].text, 'Added by alice.')
		}
		if (document?.includes('trusted')) {
			assert.equal((await call('delete_note', { name: 'more' })).content[0].text, 'Deleted.')
		} else {
			await assert.rejects(call('delete_note', { name: 'more' }), refused, name)
		}
		await client.close()
		console.log(`${name}, ${document ?? 'registered'}: done`)
	}
}
process.exit(0)
