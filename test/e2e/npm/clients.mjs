// Real clients of a site that wants a token: node clients.mjs <host:port> <token>.
import assert from 'node:assert/strict'
import grpc from '@grpc/grpc-js'
import * as current from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { discoverOAuthProtectedResourceMetadata, extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { EventSource } from 'eventsource'
import WebSocket from 'ws'

const [site, token] = process.argv.slice(2)
const headers = { Authorization: `Bearer ${token}` }
const endpoint = new URL(`http://${site}/mcp`)

// MCP, the older client and the current one
for (const [Caller, Transport] of [[Client, StreamableHTTPClientTransport], [current.Client, current.StreamableHTTPClientTransport]]) {
	const caller = () => new Caller({ name: 'test', version: '1.0.0' })
	await assert.rejects(caller().connect(new Transport(endpoint)), problem => /401|unauthorized/i.test(`${problem.name} ${problem.message} ${problem.code}`))
	await assert.rejects(caller().connect(new Transport(endpoint, { requestInit: { headers: { ...headers, Origin: 'https://evil.example' } } })), /403|origin|site/i)
	const client = caller()
	await client.connect(new Transport(endpoint, { requestInit: { headers } }))
	const { tools } = await client.listTools()
	assert.equal(tools[0].name, 'greet')
	const result = await client.callTool({ name: 'greet', arguments: {} })
	assert.equal(result.content[0].text, 'hello')
	await client.close()
}
const refused = await fetch(endpoint, { method: 'POST' })
const params = extractWWWAuthenticateParams(refused)
assert.equal(params.scope, 'tools')
const metadata = await discoverOAuthProtectedResourceMetadata(endpoint, { resourceMetadataUrl: params.resourceMetadataUrl })
assert.deepEqual(metadata.scopes_supported, ['tools'])

// WebSocket
const opened = init => new Promise((resolve, reject) => {
	const socket = new WebSocket(`ws://${site}/ws`, init)
	socket.on('open', () => socket.send('hello'))
	socket.on('message', message => { socket.close(); resolve(String(message)) })
	socket.on('error', reject)
})
await assert.rejects(opened({}), /401/)
assert.equal(await opened({ headers }), 'hello')

// EventSource
const event = init => new Promise((resolve, reject) => {
	const source = new EventSource(`http://${site}/events`, init)
	source.onmessage = message => { source.close(); resolve(message.data) }
	source.onerror = problem => { source.close(); reject(new Error(`status ${problem.code}`)) }
})
await assert.rejects(event({}), /status 401/)
assert.equal(await event({ fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }) }), 'hello')

// gRPC
const greeter = new grpc.Client(site, grpc.credentials.createInsecure())
const greet = metadata => new Promise((resolve, reject) => {
	greeter.makeUnaryRequest('/test.Greeter/Greet', b => b, b => String(b), Buffer.from('you'), metadata, (problem, answer) => problem ? reject(problem) : resolve(answer))
})
await assert.rejects(greet(new grpc.Metadata()), { code: grpc.status.UNAUTHENTICATED })
const known = new grpc.Metadata()
known.set('authorization', headers.Authorization)
assert.equal(await greet(known), 'hello you')
greeter.close()
console.log('all clients are served')
process.exit(0)
