// The upstream of clients.mjs: an MCP server, a WebSocket echo and an event
// stream on one port, and a gRPC server on another; it prints both.
import http from 'node:http'
import grpc from '@grpc/grpc-js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { WebSocketServer } from 'ws'

const server = http.createServer(async (request, response) => {
	if (request.url.startsWith('/events')) {
		response.writeHead(200, { 'Content-Type': 'text/event-stream' })
		response.write('data: hello\n\n')
		return
	}
	const mcp = new McpServer({ name: 'test', version: '1.0.0' })
	mcp.registerTool('greet', { description: 'greets' }, async () => ({ content: [{ type: 'text', text: 'hello' }] }))
	const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
	await mcp.connect(transport)
	await transport.handleRequest(request, response)
})
new WebSocketServer({ server, path: '/ws' }).on('connection', socket => socket.on('message', message => socket.send(String(message))))

const raw = { requestSerialize: b => b, requestDeserialize: b => b, responseSerialize: b => b, responseDeserialize: b => b }
const rpc = new grpc.Server()
rpc.addService({ Greet: { path: '/test.Greeter/Greet', requestStream: false, responseStream: false, ...raw } }, {
	Greet: (call, done) => done(null, Buffer.concat([Buffer.from('hello '), call.request])),
})
rpc.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (problem, port) => {
	if (problem) throw problem
	server.listen(0, '127.0.0.1', () => console.log(`${server.address().port} ${port}`))
})
