// An authorization server for clients of the Model Context Protocol, which signs each of
// them in as alice without a word: node mcp_issuer.mjs <resource>. Clients register
// themselves, or are known by a metadata document. It prints its port.
import { generateKeyPairSync } from 'node:crypto'
import http from 'node:http'
import { errors, Provider } from 'oidc-provider'

const [resource] = process.argv.slice(2)
const key = { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'ES256' }
const documents = { // what the clients would serve
	'https://trusted.example.com/client.json': 'the trusted client',
	'https://other.example.com/client.json': 'another client',
}

async function fetchDocument(url, options) {
	const id = String(url)
	if (!documents[id]) return fetch(url, { ...options, dispatcher: undefined })
	return Response.json({
		client_id: id, client_name: documents[id], redirect_uris: ['http://127.0.0.1:9/callback'], application_type: 'native',
		grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'none',
	})
}

let provider
const server = http.createServer(async (request, response) => {
	if (!request.url.startsWith('/interaction/')) return provider.callback()(request, response)
	await provider.interactionDetails(request, response)
	await provider.interactionFinished(request, response, { login: { accountId: 'alice' }, consent: {} }, { mergeWithLastSubmission: false })
})
server.listen(0, '127.0.0.1', () => {
	const { port } = server.address()
	provider = new Provider(`http://localhost:${port}`, {
		jwks: { keys: [key] },
		cookies: { keys: ['test-material-not-a-secret'] },
		fetch: fetchDocument,
		findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
		scopes: ['notes', 'notes.write'],
		features: {
			devInteractions: { enabled: false },
			registration: { enabled: true },
			clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
			resourceIndicators: {
				enabled: true,
				getResourceServerInfo: (ctx, indicator) => {
					if (indicator !== resource) throw new errors.InvalidTarget()
					return { scope: 'notes notes.write', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }
				},
			},
		},
		clientDefaults: { id_token_signed_response_alg: 'ES256' },
		interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
		async loadExistingGrant(ctx) { // alice consents to everything
			const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
			grant.addOIDCScope('notes notes.write')
			grant.addResourceScope(resource, 'notes notes.write')
			await grant.save()
			return grant
		},
		ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, Interaction: 600, Session: 3600 },
	})
	provider.on('server_error', (ctx, problem) => console.error(problem))
	for (const event of ['authorization.error', 'grant.error', 'registration_create.error']) {
		provider.on(event, (ctx, problem) => console.error(event, problem.message, problem.error_description ?? '', problem.error_detail ?? ''))
	}
	console.log(port)
})
