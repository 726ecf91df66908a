"""A real SMTP server for tests, on a port of its own: it keeps what it takes, and refuses or stalls as it is told."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any


@dataclass
class MailServer:
    """``answers`` maps the begin of a command (``RCPT TO:<x@y>``, ``DATA``, ``.``) to what is said instead of yes.

    An answer of ``"stall"`` keeps the connection open and says nothing; ``"drop"`` closes it. ``reached`` is set when
    a stalled command has come in.
    """

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    connections: int = 0
    reached: threading.Event = field(default_factory=threading.Event)

    def _instead(self, command: str) -> str | None:
        for begin, answer in self.answers.items():
            if command.upper().startswith(begin.upper()):
                return answer
        return None

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        recipients: list[str] = []

        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        async def refused(command: str) -> bool:
            """Whether the command was answered otherwise than with yes."""
            answer = self._instead(command)
            if answer is None:
                return False
            if answer == "stall":
                self.reached.set()
                await reader.read()  # until the other side is gone
                raise ConnectionResetError
            if answer == "drop":
                raise ConnectionResetError
            await say(answer)
            return True

        try:
            await say("220 test.invalid ready")
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                if await refused(line):
                    continue
                verb = line.upper().split(" ")[0]
                if verb == "QUIT":
                    await say("221 bye")
                    return
                if verb == "RCPT":
                    recipients.append(line.partition("<")[2].partition(">")[0])
                if verb == "RSET":
                    recipients.clear()
                if verb != "DATA":
                    await say("250 yes")
                    continue
                await say("354 go on")
                taken = bytearray()
                while (part := await reader.readline()) not in (b".\r\n", b""):
                    taken += part[1:] if part.startswith(b".") else part
                if await refused("."):
                    continue
                self.messages.append(email.message_from_bytes(bytes(taken), policy=email.policy.default))
                self.recipients += recipients
                recipients = []
                await say("250 taken")
        except ConnectionError:
            pass
        finally:
            writer.close()

    def parts(self, number: int = -1) -> tuple[str, str]:
        """The plain text and the HTML of a message."""
        message: Any = self.messages[number]
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        return plain.get_content(), html.get_content()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server in a thread of this process for as long as the block lasts."""
    server = MailServer()
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        listening = await asyncio.start_server(server.converse, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        async with listening:
            await stopped.wait()

    stopped = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("The mail server of the tests did not start.")
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
