"""At rest: a threading TCP server of the standard library that nobody calls."""

import socketserver

from truth import Stop, Workload


class Answer(socketserver.StreamRequestHandler):
    """Answers a line with itself."""

    def handle(self):
        self.wfile.write(self.rfile.readline())


def main():
    workload = Workload()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        try:
            # Its own loop looks every half second whether it shall end.
            workload.ready("idle", None, main, "a server at rest")  # here
            server.serve_forever()
        except Stop:
            pass
    workload.done()


main()
