// An unmodified Baileys client, driven by JSON lines. Events go to standard output, each line after the mark `@lab `:
// libsignal-node prints there too, whole sessions with their private keys among it. Commands come on standard input.
//
//   node client.mjs --url ws://127.0.0.1:PORT/ws/chat --root-key HEX --auth DIR
//
// Events:   {event: qr, qr} {event: open, device} {event: close, code} {event: message, id, from, text}
//           {event: undecryptable, id} {event: sent, id} {event: failed, error}
// Commands: {command: send, to, text} {command: logout} {command: stop}

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { DisconnectReason, generateMessageIDV2, makeWASocket, proto, useMultiFileAuthState, WA_CERT_DETAILS } from 'baileys'

const { values: options } = parseArgs({
	options: { url: { type: 'string' }, 'root-key': { type: 'string' }, auth: { type: 'string' } }
})
for (const name of ['url', 'root-key', 'auth']) {
	if (!options[name]) {
		console.error(`client.mjs: --${name} is missing`)
		process.exit(2)
	}
}

// The package has no setting for the key that signs the server's certificates, but exports the object that holds it.
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(options['root-key'], 'hex')

const tell = event => process.stdout.write(`@lab ${JSON.stringify(event)}\n`)
const fail = error => tell({ event: 'failed', error: String(error?.message ?? error) })

const quiet = { level: 'silent', child: () => quiet }
for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) {
	quiet[level] = () => {}
}

// What a peer that cannot read a message asks for again.
const sent = new Map()
let socket
// Ends when the session is on disk: the package writes its files in the background, and a torn one means a new linking.
let saved = Promise.resolve()
let stopping = false

async function connect() {
	const { state, saveCreds } = await useMultiFileAuthState(options.auth)
	socket = makeWASocket({
		waWebSocketUrl: options.url,
		auth: state,
		logger: quiet,
		// Waiting for a history that never comes would hold back events for 20 s after linking.
		shouldSyncHistoryMessage: () => false,
		getMessage: async key => sent.get(key.id)
	})
	socket.ev.on('creds.update', () => {
		saved = saved.then(saveCreds).catch(fail)
	})
	socket.ev.on('connection.update', ({ connection, lastDisconnect, qr }) => {
		if (qr) tell({ event: 'qr', qr })
		if (connection === 'open') tell({ event: 'open', device: socket.user?.id })
		if (connection === 'close') closed(lastDisconnect?.error)
	})
	socket.ev.on('messages.upsert', ({ messages }) => messages.forEach(received))
	// A message that arrives at the second attempt is an update of the first.
	socket.ev.on('messages.update', updates => {
		for (const { key, update } of updates) {
			if (update.message) received({ key, ...update })
		}
	})
}

function closed(error) {
	const code = error?.output?.statusCode ?? 0
	tell({ event: 'close', code, error: error?.message })
	// Baileys leaves reconnecting to its user.
	if (!stopping && code !== DisconnectReason.loggedOut && code !== DisconnectReason.connectionReplaced) {
		setTimeout(() => connect().catch(fail), code === DisconnectReason.restartRequired ? 0 : 1000)
	}
}

function received({ key, message, messageStubType }) {
	if (key.fromMe) return
	if (messageStubType === proto.WebMessageInfo.StubType.CIPHERTEXT) {
		tell({ event: 'undecryptable', id: key.id })
		return
	}
	const text = message?.conversation || message?.extendedTextMessage?.text
	if (text) tell({ event: 'message', id: key.id, from: key.participant || key.remoteJid, text })
}

async function send({ to, text }) {
	const address = to.includes('@') ? to : `${to}@s.whatsapp.net`
	// Known before it leaves: on loopback the peer's question can be here before the package says that it sent.
	const id = generateMessageIDV2(socket.user?.id)
	sent.set(id, { conversation: text })
	await socket.sendMessage(address, { text }, { messageId: id })
	tell({ event: 'sent', id })
}

// The socket closes with the code of a logout.
const logout = () => socket.logout()

async function stop() {
	stopping = true
	await socket?.end(undefined)
	await saved
	process.exit(0)
}

const commands = { send, logout, stop }
const lines = createInterface({ input: process.stdin })
lines.on('line', line => {
	try {
		const command = JSON.parse(line)
		const run = commands[command.command]
		if (!run) throw new Error(`no such command: ${command.command}`)
		run(command).catch(fail)
	} catch (error) {
		fail(error)
	}
})
lines.on('close', stop)

connect().catch(error => {
	fail(error)
	process.exit(1)
})
