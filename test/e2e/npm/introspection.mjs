// A certified provider with an introspection endpoint (RFC 7662): "<port> <opaque
// audience> <JWT audience> [<JWK>]". Its client "service" gets access tokens, opaque ones or
// JWTs by their resource, and its client "api" asks about them; "keyed" does by assertions,
// which the public key verifies. It prints "ready". GET /asked lists the tokens that it was
// asked about, one a line.
import { generateKeyPairSync } from 'node:crypto'
import http from 'node:http'
import { Provider } from 'oidc-provider'

const [port, opaque, jwt, jwk] = process.argv.slice(2)
const asked = []
const client = { client_secret: 'test-material-not-a-secret', redirect_uris: [], response_types: [], grant_types: ['client_credentials'], id_token_signed_response_alg: 'ES256' }
const keyed = jwk ? [{ ...client, client_id: 'keyed', client_secret: undefined, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [JSON.parse(jwk)] } }] : []
const provider = new Provider(`http://localhost:${port}`, {
	jwks: { keys: [{ ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: '1' }] },
	clients: [{ ...client, client_id: 'service' }, { ...client, client_id: 'api' }, ...keyed],
	features: {
		devInteractions: { enabled: false },
		clientCredentials: { enabled: true },
		introspection: { enabled: true },
		revocation: { enabled: true },
		resourceIndicators: {
			enabled: true,
			defaultResource: () => opaque,
			getResourceServerInfo: (ctx, resource) => ({ scope: 'read', audience: resource, accessTokenFormat: resource === jwt ? 'jwt' : 'opaque', jwt: { sign: { alg: 'ES256' } } }),
		},
	},
})
provider.on('server_error', (ctx, problem) => console.error(problem))
provider.use(async (ctx, next) => {
	await next()
	if (ctx.path === '/token/introspection') asked.push(ctx.oidc?.params?.token ?? '')
})
const answer = provider.callback()
http.createServer((request, response) => request.url === '/asked' ? response.end(asked.join('\n')) : answer(request, response))
	.listen(port, '127.0.0.1', () => console.log('ready'))
