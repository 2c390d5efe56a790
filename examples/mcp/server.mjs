// A small MCP server: node server.mjs. It checks no token, because only Caddy
// reaches it, and takes the user from the header that Caddy sets.
import http from 'node:http'
import { Readable } from 'node:stream'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

const notes = new Map([['first', 'Buy milk.']])
const text = value => ({ content: [{ type: 'text', text: value }] })

const handler = createMcpHandler(context => {
	const user = context.requestInfo?.headers.get('x-user') ?? ''
	const server = new McpServer({ name: 'notes', version: '1.0.0' })
	server.registerTool('list_notes', { description: 'Lists the names of all notes.' }, async () => text([...notes.keys()].join(', ')))
	server.registerTool('read_note', { description: 'Reads a note.', inputSchema: z.object({ name: z.string() }) }, async ({ name }) => text(notes.get(name) ?? 'There is no such note.'))
	server.registerTool('add_note', { description: 'Adds a note.', inputSchema: z.object({ name: z.string(), content: z.string() }) }, async ({ name, content }) => {
		notes.set(name, content)
		return text(`Added by ${user}.`)
	})
	server.registerTool('delete_note', { description: 'Deletes a note.', inputSchema: z.object({ name: z.string() }) }, async ({ name }) => text(notes.delete(name) ? 'Deleted.' : 'There is no such note.'))
	return server
})

const server = http.createServer(async (request, response) => {
	const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
	const answer = await handler.fetch(new Request(`http://${request.headers.host}${request.url}`, {
		method: request.method,
		headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
		...(hasBody && { body: Readable.toWeb(request), duplex: 'half' }),
	}))
	response.writeHead(answer.status, Object.fromEntries(answer.headers))
	if (answer.body) Readable.fromWeb(answer.body).on('error', () => response.destroy()).pipe(response)
	else response.end()
})
server.listen(Number(process.env.MCP_PORT ?? 9000), '127.0.0.1', () => console.log(server.address().port))
