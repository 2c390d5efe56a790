// A certified OpenID provider with one client, whose user signs in without a word. Its
// arguments are the site, another redirect URI, the client's public key as JWK, and the
// lifetime of access tokens in seconds (600). It prints its port. POST /rotate makes it drop
// its first signing key, /notices says how many back-channel notices it sent, and /refreshes
// how many refresh tokens it took, and refused.
import { generateKeyPairSync } from 'node:crypto'
import http from 'node:http'
import { Provider } from 'oidc-provider'

const [site, other, jwk, seconds = '600'] = process.argv.slice(2)
const signingKey = kid => ({ ...generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'Ed25519' })
const keys = [signingKey('first'), signingKey('second')]
const names = { profile: ['name', 'preferred_username'], email: ['email'] }
let notices = 0, refreshed = 0, refused = 0

const configuration = jwks => ({
	jwks: { keys: jwks },
	cookies: { keys: ['test-material-not-a-secret'] },
	clients: [{
		client_id: 'app',
		token_endpoint_auth_method: 'private_key_jwt',
		jwks: { keys: [JSON.parse(jwk)] },
		redirect_uris: [`${site}/.policy_auth/callback/oidc`, other],
		post_logout_redirect_uris: [`${site}/.policy_auth/callback/oidc`],
		backchannel_logout_uri: `${site}/.policy_auth/backchannel_logout/oidc`,
		backchannel_logout_session_required: true,
		grant_types: ['authorization_code', 'refresh_token'],
		id_token_signed_response_alg: 'Ed25519',
	}],
	acrValues: ['phr'],
	fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }), // its own reaches no loopback address
	claims: { openid: ['sub'], ...names },
	findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: 'alice', name: 'Alice Example', email: 'alice@example.com' }) }),
	features: {
		devInteractions: { enabled: false },
		backchannelLogout: { enabled: true },
		pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
		rpInitiatedLogout: {
			enabled: true,
			logoutSource: (ctx, form) => {
				ctx.body = `<!doctype html><title>signing out</title>${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button>`
			},
			postLogoutSuccessSource: ctx => { ctx.body = '<!doctype html><title>out</title>signed out at the provider' },
		},
	},
	interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
	async loadExistingGrant(ctx) { // each user consents to everything
		const { client, session, provider } = ctx.oidc
		const grant = await provider.Grant.find(session.grantIdFor(client.clientId)) ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
		grant.addOIDCScope('openid profile email')
		await grant.save()
		return grant
	},
	issueRefreshToken: () => true,
	rotateRefreshToken: true,
	ttl: { AccessToken: Number(seconds), AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
})

let issuer, serve, provider
function run(jwks) {
	provider = new Provider(issuer, configuration(jwks))
	provider.on('backchannel.success', () => notices++)
	provider.on('backchannel.error', (ctx, problem) => console.error('backchannel', problem))
	const isRefresh = ctx => ctx.oidc.params?.grant_type === 'refresh_token'
	provider.on('grant.success', ctx => { refreshed += isRefresh(ctx) })
	provider.on('grant.error', ctx => { refused += isRefresh(ctx) })
	provider.on('server_error', (ctx, problem) => console.error(problem))
	for (const event of ['authorization.error', 'grant.error', 'pushed_authorization_request.error', 'end_session.error']) {
		provider.on(event, (ctx, problem) => console.error(event, problem.message, problem.error_description ?? '', problem.error_detail ?? ''))
	}
	serve = provider.callback()
}

const server = http.createServer(async (request, response) => {
	if (request.url === '/rotate') {
		run(keys.slice(1))
		response.end()
	} else if (request.url === '/notices') {
		response.end(String(notices))
	} else if (request.url === '/refreshes') {
		response.end(`${refreshed} ${refused}`)
	} else if (request.url.startsWith('/interaction/')) {
		const { params } = await provider.interactionDetails(request, response)
		await provider.interactionFinished(request, response, { login: { accountId: 'user-1', acr: params.acr_values } }, { mergeWithLastSubmission: false })
	} else {
		serve(request, response)
	}
})
server.listen(0, '127.0.0.1', () => {
	const { port } = server.address()
	issuer = `http://localhost:${port}`
	run(keys)
	console.log(port)
})
