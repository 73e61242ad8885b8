"""An unmodified whatsmeow, the Go library inside of the package neonize, driven by JSON lines. Events go to standard output,
each line after the mark `@lab `, commands come on standard input.

    target/whatsmeow/bin/python tests/lab/whatsmeow/driver.py --url ws://127.0.0.1:PORT/ws/chat --root-key HEX --auth DIR

Events:   {event: qr, qr} {event: open} {event: close, code} {event: message, id, from, text}
          {event: undecryptable, id} {event: sent, id} {event: failed, error}
Commands: {command: send, to, text} {command: logout} {command: stop}
"""

import argparse
import ctypes
import json
import os
import sys
import threading
from pathlib import Path

# What whatsmeow has no setting for, as it stands in the library, once each: where WhatsApp is (socket/constants.go), and the
# key that signs its certificates (handshake.go).
URL = b"wss://web.whatsapp.com/ws/chat"
ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")

# Logged out; the number that the other clients of the lab have for it.
LOGGED_OUT = 401

arguments = argparse.ArgumentParser()
arguments.add_argument("--url", required=True)
arguments.add_argument("--root-key", required=True, type=bytes.fromhex)
arguments.add_argument("--auth", required=True, type=Path)
options = arguments.parse_args()
options.auth.mkdir(parents=True, exist_ok=True)

speaking = threading.Lock()


def tell(event, **more):
    with speaking:
        sys.stdout.write(f"@lab {json.dumps({'event': event, **more})}\n")
        sys.stdout.flush()


def at_the_lab(library):
    """A copy of the library with the lab's address and key in place of WhatsApp's, byte for byte: nothing moves."""
    url = options.url.encode()
    if len(url) < len(URL):
        # A query that says nothing fills the rest.
        url = (url + b"?").ljust(len(URL), b"=")
    program = library.read_bytes()
    for old, new in (URL, url), (ROOT_KEY, options.root_key):
        if len(new) != len(old) or program.count(old) != 1:
            sys.exit(f"driver.py: {library} has no place for {new!r}")
        program = program.replace(old, new)
    copy = options.auth / library.name
    copy.write_bytes(program)
    return copy


def load(name, *rest, real=ctypes.CDLL, **named):
    library = Path(name or "")
    if library.name.startswith("neonize-"):
        name = str(at_the_lab(library))
    return real(name, *rest, **named)


# The package has no setting for the library it loads.
ctypes.CDLL, real = load, ctypes.CDLL
from neonize.client import NewClient  # noqa: E402
from neonize.events import ConnectedEv, DisconnectedEv, LoggedOutEv, MessageEv, UndecryptableMessageEv  # noqa: E402
from neonize.utils.jid import build_jid  # noqa: E402

ctypes.CDLL = real

# The package makes `file:NAME?_foreign_keys=on` of the name. No power is cut here: 812 pre-keys need no fsync each.
client = NewClient(f"{options.auth / 'store.db'}?_foreign_keys=on&_sync=0&rest=")


@client.qr
def shown(_, qr):
    tell("qr", qr=qr.decode())


@client.event(ConnectedEv)
def opened(_, __):
    tell("open")


@client.event(DisconnectedEv)
def closed(_, __):
    # whatsmeow reconnects by itself.
    tell("close", code=0)


@client.event(LoggedOutEv)
def logged_out(_, __):
    tell("close", code=LOGGED_OUT)


@client.event(MessageEv)
def received(_, event):
    message, source = event.Message, event.Info.MessageSource
    text = message.conversation or message.extendedTextMessage.text
    if text and not source.IsFromMe:
        tell("message", id=event.Info.ID, text=text, **{"from": f"{source.Sender.User}@{source.Sender.Server}"})


@client.event(UndecryptableMessageEv)
def undecryptable(_, event):
    tell("undecryptable", id=event.Info.ID)


def send(to, text):
    user, _, server = to.partition("@")
    # As bots do before they write to a number.
    if not server and not client.is_on_whatsapp(f"+{user}")[0].IsIn:
        raise LookupError(f"WhatsApp does not know {user}")
    tell("sent", id=client.send_message(build_jid(user, server or "s.whatsapp.net"), text).ID)


def logout():
    client.logout()
    tell("close", code=LOGGED_OUT)


def stop():
    client.stop()
    # The library's threads outlive their interpreter otherwise.
    os._exit(0)


COMMANDS = {"send": send, "logout": logout, "stop": stop}


def attempt(deed, **more):
    try:
        deed(**more)
    except Exception as error:  # Whatever it is, the lab is told.
        tell("failed", error=str(error))


threading.Thread(target=attempt, args=(client.connect,), daemon=True).start()
for line in sys.stdin:
    command = json.loads(line)
    attempt(COMMANDS[command.pop("command")], **command)
stop()
